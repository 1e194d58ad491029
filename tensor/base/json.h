/* SPDX-License-Identifier: MIT */
/* JSON: jansson with our limits on reading, and an exact, locale-free way of writing numbers.
 *
 * Reading rejects duplicate keys, bad UTF-8, NUL, depth over 64 and files over a limit, with file and line in
 * the sentence. The getters say which key of which object is missing or of the wrong type. Members keep their order. */
#ifndef PULSE_TENSOR_BASE_JSON_H
#define PULSE_TENSOR_BASE_JSON_H

#include <jansson.h>
#include <stdint.h>
#include "tensor/base/arena.h"
#include "tensor/base/decimal.h"

json_t *json_parse(const char *text, size_t n, const char *path, Error *e);   // path: for the sentence; caller json_decref's
json_t *json_constant(const char *text, Error *e);                            // of the program itself: any JSON value
json_t *json_file(const char *path, size_t limit, Error *e);                  // a byte order mark is passed over
/* The same with every integer read as a real, so that one beyond 64 bits is no error: transformers writes 1e30 in digits. */
json_t *json_file_wide(const char *path, size_t limit, Error *e);

bool json_get_text(const json_t *object, const char *key, const char **out, const char *path, Error *e);
bool json_get_int(const json_t *object, const char *key, int64_t *out, const char *path, Error *e);
bool json_get_real(const json_t *object, const char *key, double *out, const char *path, Error *e);   // integers too
bool json_get_bool(const json_t *object, const char *key, bool *out, const char *path, Error *e);
/* The nearest float to the text, for texts of up to 15 digits (jansson keeps the double, whose shortest decimal is then
 * the text); for longer ones, the nearest float to the double's shortest decimal. */
bool json_get_float(const json_t *object, const char *key, float *out, const char *path, Error *e);

/* Building. The constructors of jansson return NULL where memory runs out or a text is not UTF-8. json_add, json_put and json_join take
 * such a NULL (list, object and value alike), return false, and remember for this thread that a part is lost; then the next function below
 * that writes JSON fails too. So a builder may leave their results unread, and yet no JSON is written that lacks a part. */
bool json_add(json_t *list, json_t *value);                        // appends; the value is taken over
bool json_put(json_t *object, const char *key, json_t *value);     // sets a member; the value is taken over
bool json_join(json_t *object, json_t *more);                      // sets all members of `more`, which is taken over
// a real that json_print spells as decimal_float does; infinities and NaN as text
json_t *json_decimal(float x);
/* Whether no part of the value was lost; for those who print parts of it as text. */
bool json_whole(const json_t *value, Error *e);

/* Writing. `indent` spaces a level, 0: on one line. Reals stand in shortest decimal. All fail where the value is NULL or a part of it was
 * lost. */
bool  json_print(FILE *f, const json_t *value, int indent) __attribute__((warn_unused_result));
/* One line and its end; the value is taken over. */
bool  json_line(FILE *f, json_t *value, Error *e) __attribute__((warn_unused_result));
char *json_compact(const json_t *value, Error *e);                 // the shortest text; the caller frees it
bool  json_save(const char *path, const json_t *value, Error *e);  // indented by 2, with a final newline

#endif
