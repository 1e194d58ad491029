/* SPDX-License-Identifier: MIT */
/* UTF-8: reads one character at a time, and tells which characters are white space (Unicode's White_Space). All
 * functions are pure. */
#ifndef PULSE_MODEL_TEXT_UTF8_H
#define PULSE_MODEL_TEXT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes the first character of n >= 1 bytes to *c, and returns its length in bytes. 0: the bytes are not UTF-8.
 * Overlong forms, surrogates and numbers above U+10FFFF are not UTF-8. */
size_t utf8_next(const char *s, size_t n, uint32_t *c);
/* The index of the first byte that is not UTF-8, or n. */
size_t utf8_valid(const char *s, size_t n);
bool   utf8_is_space(uint32_t c);

#endif
