/* SPDX-License-Identifier: MIT */
/* JSON: jansson with our limits on reading, and an exact, locale-free way of writing numbers.
 *
 * Reading rejects duplicate keys, bad UTF-8, depth over 64 and files over a limit, with file and line in
 * the sentence. The getters say which key of which object is missing or of the wrong type. */
#ifndef PULSE_TENSOR_JSON_H
#define PULSE_TENSOR_JSON_H

#include <jansson.h>
#include <stdint.h>
#include "tensor/arena.h"

json_t *json_parse(const char *text, size_t n, const char *path, Error *e);   // path: for the sentence; caller json_decref's
json_t *json_file(const char *path, size_t limit, Error *e);

bool json_get_text(const json_t *object, const char *key, const char **out, const char *path, Error *e);
bool json_get_int(const json_t *object, const char *key, int64_t *out, const char *path, Error *e);
bool json_get_real(const json_t *object, const char *key, double *out, const char *path, Error *e);   // integers too

/* Shortest decimal that reads back as the same float / double ("0.1", "1e-05", "NaN", "inf"): out holds 32 bytes. */
char *decimal_float(float x, char out[32]);
char *decimal_double(double x, char out[32]);
char *hex_double(double x, char out[32]);              // C99 "%a" form, made by us: locale-free and one spelling
/* Strict, locale-free reading of a whole string. decimal_to_float rounds the decimal once, to the nearest float. */
bool  decimal_to_float(const char *text, float *out);
bool  decimal_to_double(const char *text, double *out);
bool  decimal_to_int(const char *text, int64_t *out);

#endif
