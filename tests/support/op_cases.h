/* SPDX-License-Identifier: MIT */
/* One example call of every operator: enough to test what holds for all of them alike. The kernels' values are
 * tested against MPFR elsewhere; here it is shapes, threads, refusals and the operators that make the gradients. */
#ifndef PULSE_TESTS_SUPPORT_OP_CASES_H
#define PULSE_TESTS_SUPPORT_OP_CASES_H

#include "tensor/ops.h"

enum { CASE_INPUTS = 3 };

/* Where an input's numbers lie, so that the formula is smooth there. */
typedef enum { INPUT_NORMAL, INPUT_POSITIVE, INPUT_CONSTANT } InputKind;   // CONSTANT: normal, and no gradient flows into it

typedef struct {
    const char *name;                                // of the operator
    Shape shape[CASE_INPUTS];
    InputKind kind[CASE_INPUTS];
    size_t n;
    Node *(*make)(Tape *t, Node *const x[]);
    // GRAPH.md: the operators that make the gradients, in order; NULL: it has no derivative
    const char *backward;
} OpCase;

extern const OpCase op_cases[];
extern const size_t op_cases_count;

/* Calls whose index data is wrong. */
extern const OpCase op_bad_index[];
extern const size_t op_bad_index_count;

#endif
