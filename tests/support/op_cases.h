/* SPDX-License-Identifier: MIT */
/* One example call of every operator, for tests of what holds for all operators alike: shapes, threads, refusals, and
 * the operators that compute the gradients. Other tests compare the values of the kernels with MPFR. */
#ifndef PULSE_TESTS_SUPPORT_OP_CASES_H
#define PULSE_TESTS_SUPPORT_OP_CASES_H

#include "tensor/ops.h"

enum { CASE_INPUTS = 3 };

/* The range of the numbers of an input, in which the formula is smooth. */
typedef enum { INPUT_NORMAL, INPUT_POSITIVE, INPUT_CONSTANT } InputKind;   // CONSTANT: normal, and without a gradient

typedef struct {
    const char *name;                                // the name of the operator
    Shape shape[CASE_INPUTS];
    InputKind kind[CASE_INPUTS];
    size_t n;                                        // the number of inputs
    Node *(*make)(Tape *t, Node *const x[]);
    // the operators that compute the gradients, in order; "": none is needed; NULL: the operator has no derivative
    const char *backward;
} OpCase;

extern const OpCase op_cases[];
extern const size_t op_cases_count;

/* Calls whose index data is wrong. */
extern const OpCase op_bad_index[];
extern const size_t op_bad_index_count;

#endif
