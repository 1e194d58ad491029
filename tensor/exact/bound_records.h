/* SPDX-License-Identifier: MIT */
/* The list bounds.def as data: every constant of a bound, and every rule for ties, in the order of the file. */
#ifndef PULSE_TENSOR_EXACT_BOUND_RECORDS_H
#define PULSE_TENSOR_EXACT_BOUND_RECORDS_H

#include <stddef.h>

typedef enum { BOUND_U, BOUND_UU, BOUND_ONE } BoundUnit;     // 2^-53, 2^-106, a plain factor

typedef struct {
    const char *name;
    const char *operators;   // names separated by blanks, or "RoPE tables"
    BoundUnit   unit;
    double      value;
    const char *file;        // the file below tensor/ that derives the constant
    const char *what;        // the part of the bound that it is, or what it is a bound of
} BoundRecord;

typedef struct { const char *name, *operators, *file, *what; } TieRecord;

extern const BoundRecord bound_records[];
extern const size_t bound_records_count;
extern const TieRecord tie_records[];
extern const size_t tie_records_count;

const char *bound_unit_name(BoundUnit unit);                 // "u", "u^2" or "1"

#endif
