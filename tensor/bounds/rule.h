/* SPDX-License-Identifier: MIT */
/* Rule: what an operator makes of the bounds of its inputs. For bound*.c only. */
#ifndef PULSE_TENSOR_BOUNDS_RULE_H
#define PULSE_TENSOR_BOUNDS_RULE_H

#include "tensor/ops.h"

#define BOUND_U 0x1p-24                  /* half a unit in the last place of fp32 */

/* A node with the bounds of its inputs; `out`, zeroed, is to be filled. */
typedef struct {
    const Node *n;
    const float *x[3], *b[3];        // inputs and their bounds
    const float *const *bounds;      // of every node before it
    const float *y;                  // the result
    size_t size, cols;               // of the result; columns of input 0
    double *out;
    Tape *tape;                      // for scratch memory and the first failure
} Rule;

typedef struct { const char *op; void (*rule)(Rule *r); } RuleEntry;
extern const RuleEntry bound_model_rules[], bound_step_rules[];      // end with a NULL name

static inline double size_of(double x) { return x < 0 ? -x : x; }
static inline double at_least(double x, double least) { return x > least ? x : least; }

/* A row of softmax: p_i is off by the ratio b_i + sum p_j b_j, and so for the rounding of z - max; n terms are summed. */
void bound_softmax(const float *x, const float *b, const float *p, size_t n, double *out);

#endif
