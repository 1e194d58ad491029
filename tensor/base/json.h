/* SPDX-License-Identifier: MIT */
/* JSON: jansson with our limits on reading, and an exact, locale-free way of writing numbers.
 *
 * Reading rejects duplicate keys, bad UTF-8, NUL characters and depth over 64, with file and line in the sentence, and
 * files over a limit. The getters say which key of which object is missing or of the wrong type. Members keep their
 * order. */
#ifndef PULSE_TENSOR_BASE_JSON_H
#define PULSE_TENSOR_BASE_JSON_H

#include <jansson.h>
#include <stdint.h>
#include "tensor/base/arena.h"
#include "tensor/base/decimal.h"

/* These return a value that the caller frees with json_decref; NULL: a failure. */
json_t *json_parse(const char *text, size_t n, const char *path, Error *e);   // `path` is for error sentences
json_t *json_constant(const char *text, Error *e);                            // any JSON value in the program's own text
json_t *json_file(const char *path, size_t limit, Error *e);                  // a byte order mark is skipped
/* The same, but every integer is read as a real, so that integers beyond 64 bits are allowed: transformers writes 1e30
 * with all its digits. */
json_t *json_file_wide(const char *path, size_t limit, Error *e);

/* Getters: *out receives member `key` of the object. `path` names the object in error sentences. */
bool json_get_text(const json_t *object, const char *key, const char **out, const char *path, Error *e);
bool json_get_int(const json_t *object, const char *key, int64_t *out, const char *path, Error *e);
bool json_get_real(const json_t *object, const char *key, double *out, const char *path, Error *e);   // integers too
bool json_get_bool(const json_t *object, const char *key, bool *out, const char *path, Error *e);
/* The float nearest to the number in the text, if that number has at most 15 digits. jansson keeps only the nearest
 * double of it, but the double's shortest decimal is then the same number. For more digits: the float nearest to that
 * decimal. */
bool json_get_float(const json_t *object, const char *key, float *out, const char *path, Error *e);

/* Building. The constructors of jansson return NULL if memory runs out or a text is not UTF-8. json_add, json_put and
 * json_join accept such a NULL as list, object or value. They then return false, and remember for this thread that a
 * part is lost; the next call that writes JSON (below) fails too. So a caller need not check their results, and still
 * no JSON is written that lacks a part. */
bool json_add(json_t *list, json_t *value);                        // appends; the value is taken over
bool json_put(json_t *object, const char *key, json_t *value);     // sets a member; the value is taken over
bool json_join(json_t *object, json_t *more);                      // sets all members of `more`, which is taken over
// a real that json_print spells as decimal_float does; infinities and NaN as text
json_t *json_decimal(float x);
/* Whether all parts of the value are there, by the rule of the functions below; for callers that print parts of the
 * value as text. */
bool json_whole(const json_t *value, Error *e);

/* Writing. `indent` is the number of spaces for each level; 0: all on one line. Reals are printed as shortest decimals.
 * These functions, and json_whole, fail if the value is NULL, or if this thread has lost a part of any value since one
 * of them was called last. */
bool  json_print(FILE *f, const json_t *value, int indent) __attribute__((warn_unused_result));
/* Prints the value on one line and a newline; the value is taken over, and so freed. */
bool  json_line(FILE *f, json_t *value, Error *e) __attribute__((warn_unused_result));
char *json_compact(const json_t *value, Error *e);                 // the shortest text; the caller frees it
bool  json_save(const char *path, const json_t *value, Error *e);  // indented by 2, with a final newline

#endif
