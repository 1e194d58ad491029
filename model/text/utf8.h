/* SPDX-License-Identifier: MIT */
/* UTF-8: one character at a time, and what counts as white space (Unicode's White_Space). */
#ifndef PULSE_MODEL_TEXT_UTF8_H
#define PULSE_MODEL_TEXT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The character at the front of n >= 1 bytes and its length; 0 when these bytes are not UTF-8
 * (overlong forms, surrogates and what lies above U+10FFFF are not). */
size_t utf8_next(const char *s, size_t n, uint32_t *c);
/* The place of the first byte that is not UTF-8, or n. */
size_t utf8_valid(const char *s, size_t n);
bool   utf8_is_space(uint32_t c);

#endif
