/* SPDX-License-Identifier: MIT */
/* Row: what the comparison of two sides says about one name. */
#ifndef PULSE_REF_COMPARE_ROWS_H
#define PULSE_REF_COMPARE_ROWS_H

#include "ref/compare/sides.h"
#include "tensor/distance.h"

typedef enum { EQUAL, DIFFERS, OTHER_SHAPE, MISSING, EXTRA, VERDICTS } Verdict;

typedef struct {
    Verdict verdict;
    const char *name;
    const Tensor *a, *b;       // NULL where that side has no tensor of this name
    Distance distance;         // of b from a, where the verdict is EQUAL or DIFFERS; else zero
} Row;

/* Compares the side b with the reference a. Two tensors of different dtypes are compared as the fp32 numbers that they
 * hold if both are F32, F16 or BF16, so equal values are EQUAL. OTHER_SHAPE: the shapes differ, or the dtypes
 * differ and one of them is none of these three. MISSING is a name that only a has, EXTRA one that only b has. There is
 * one row for each name of either side, in natural order. Each counts[verdict] is increased by the number of its rows,
 * and *total becomes the number of all rows. NULL: out of memory, which the arena's error says. */
Row *compare_sides(const Side *a, const Side *b, size_t counts[VERDICTS], size_t *total, Arena *arena);

#endif
