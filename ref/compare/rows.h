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
    Distance distance;         // set for DIFFERS alone
} Row;

/* Compares the side b with the reference a. Tensors in F32, F16 and BF16 are compared as the fp32 numbers that they
 * hold, so equal values of another dtype are EQUAL; any other pair of different dtypes is OTHER_SHAPE. There is one row
 * for each name of either side, in natural order. `counts` is increased by the rows of each verdict, and `total` is set
 * to the number of rows. NULL: out of memory, which the arena's error says. */
Row *compare_sides(const Side *a, const Side *b, size_t counts[VERDICTS], size_t *total, Arena *arena);

#endif
