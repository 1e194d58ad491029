/* SPDX-License-Identifier: MIT */
/* Numbers as text: shortest decimals, exact hex, and strict reading. Nothing here depends on the locale. */
#ifndef PULSE_TENSOR_BASE_DECIMAL_H
#define PULSE_TENSOR_BASE_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

/* The shortest decimal that reads back as the same float or double; if there are several, the nearest. It is spelt
 * as by Python's repr ("0.1", "1.0", "1e-05", "1e+16", "-inf"), except that NaN is "NaN". */
char *decimal_float(float x, char out[32]);
char *decimal_double(double x, char out[32]);
/* "0x1.8p+1": C99's "%a" with the leading digit 1 (0 for zero and subnormals) and no trailing zeros. Infinities and NaN
 * are spelt as by decimal_double. */
char *hex_double(double x, char out[32]);

/* A whole string of the form -?[0-9]+(.[0-9]+)?([eE][+-]?[0-9]+)?, rounded once to the nearest value. False for any
 * other text, and if the value would be infinite. */
bool  decimal_to_float(const char *text, float *out);
bool  decimal_to_double(const char *text, double *out);
/* A whole string of the form -?[0-9]+ whose value fits int64_t. */
bool  decimal_to_int(const char *text, int64_t *out);

#endif
