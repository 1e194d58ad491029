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
json_t *json_file(const char *path, size_t limit, Error *e);

bool json_get_text(const json_t *object, const char *key, const char **out, const char *path, Error *e);
bool json_get_int(const json_t *object, const char *key, int64_t *out, const char *path, Error *e);
bool json_get_real(const json_t *object, const char *key, double *out, const char *path, Error *e);   // integers too
bool json_get_bool(const json_t *object, const char *key, bool *out, const char *path, Error *e);
/* The nearest float to the text, for texts of up to 15 digits (jansson keeps the double, whose shortest decimal is then
 * the text); for longer ones, the nearest float to the double's shortest decimal. */
bool json_get_float(const json_t *object, const char *key, float *out, const char *path, Error *e);

json_t *json_decimal(float x);            // a real that json_print spells as decimal_float does; infinities and NaN as text
/* `indent` spaces a level, 0: on one line. Reals in shortest decimal. */
void json_print(FILE *f, const json_t *value, int indent);
bool json_save(const char *path, const json_t *value, Error *e);   // indented by 2, with a final newline

#endif
