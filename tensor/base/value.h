/* SPDX-License-Identifier: MIT */
/* Value: the text of a line `key = text`, read as a type and checked against a range.
 *
 *     INT, REAL   a number; a REAL becomes the nearest float. Range: "low..high" or "low..<high"; an end may be empty
 *     BOOL        yes or no
 *     TEXT        any text
 *     CHOICE      one of a list "a|b|c", which `range` holds; stored as its index
 * Reading does not depend on the locale, and takes the whole text or nothing. */
#ifndef PULSE_TENSOR_BASE_VALUE_H
#define PULSE_TENSOR_BASE_VALUE_H

#include <stdint.h>
#include "tensor/base/arena.h"

typedef enum { TYPE_INT, TYPE_REAL, TYPE_BOOL, TYPE_TEXT, TYPE_CHOICE } ValueType;

/* The field that holds a value of each type. */
#define FIELD_INT    int64_t
#define FIELD_REAL   float
#define FIELD_BOOL   bool
#define FIELD_TEXT   const char *
#define FIELD_CHOICE int                 /* index in the list of choices */

/* *field receives the value. False when the text is not of the type or out of range. A TEXT is copied into the arena;
 * false: memory ran out. */
bool value_read(ValueType type, const char *range, const char *text, void *field, Arena *a);
/* Fails with a sentence such as: NAME is "TEXT", expected a number from 0 to 1 */
bool value_refuse(ValueType type, const char *range, const char *name, const char *text, Error *e);
const char *value_type_name(ValueType type);          // "int", "real", "bool", "text", "choice"

#endif
