/* SPDX-License-Identifier: MIT */
/* A row of logits becomes probabilities or their logarithms, correctly rounded. softmax, log_softmax, nll and
 * attention's softmax share it.
 *
 *     p_v = RN(e^x_v / sum_j e^x_j)        l_v = RN(x_v - log sum_j e^x_j)        n logits, n <= 2^24
 *
 * A logit of -inf is masked: p = +0, l = -inf. A row that holds a NaN or +inf, or nothing but -inf, is NaN throughout.
 * Three tiers decide (tier_force in round.h): binary64 with a bound (softmax.c), double-double with a bound, and proofs
 * for the values that no precision decides, such as rational ones (both in softmax_decide.c). The functions of rows
 * return n when every column is decided, and otherwise the first column that no tier decides.
 * A row needs scratch memory: softmax_scratch allocates an array of doubles for each worker from the scratch memory
 * of the call. */
#ifndef PULSE_TENSOR_OPS_SOFTMAX_H
#define PULSE_TENSOR_OPS_SOFTMAX_H

#include "tensor/exact/dd.h"
#include "tensor/tape.h"

#define SOFTMAX_MAX ((size_t)1 << 24)      // the most logits of a row, for which the bounds are derived

typedef struct {
    double   *all;       // NULL: memory ran out, and the Error says so
    size_t    stride;
    ArenaMark mark;
} SoftmaxScratch;

SoftmaxScratch softmax_scratch(const Call *c, size_t cols);        // call it before team_run
double     *softmax_scratch_of(const SoftmaxScratch *scratch, size_t worker);
void        softmax_scratch_release(const Call *c, const SoftmaxScratch *scratch);

size_t softmax_row(const float *x, size_t n, double *scratch, float *p);
size_t log_softmax_row(const float *x, size_t n, double *scratch, float *l);
size_t nll_row(const float *x, size_t n, size_t y, double *scratch, float *nll);   // -l_y; returns n, or y: undecided

/* ds_i = RN(p_i (dp_i - sum_j dp_j p_j)), class A: always decided (softmax_grad.c). */
void softmax_grad_row(const float *p, const float *dp, size_t n, float *ds);

/* The fp32 bounds of one row (bound_rule.h), u = 2^-24: n logits x with the error bounds b, and their softmax p.
 *   softmax_bound       out[k] bounds p_k. Its relative error is b_k + sum p_j b_j, where each b also covers the
 *                       rounding u |x_k - max| of the exponent, plus (n + 8) u for the sum of n powers, the
 *                       exponential and the division.
 *   log_softmax_bound   bounds log p of one logit z. It is computed as (z - max) - log sum; each operation rounds by u.
 *   softmax_grad_bound  bounds p (dp - sum dp p): p ((n + 4) u sum |dp p| + 3 u |dp|), and what the errors of p
 *                       and dp add. x and b each hold two rows, of p and of dp. */
void   softmax_bound(const float *x, const float *b, const float *p, size_t n, double *out);
double log_softmax_bound(const float *x, const float *b, size_t n, double z);
void   softmax_grad_bound(const float *const x[2], const float *const b[2], size_t n, double *out);

/* Sets the error of a row whose function returned `column` as undecided; the sentence names the operator and its
 * operands. */
void softmax_undecided(const Call *c, const float *x, size_t n, size_t row, size_t column);

/* A row with elements that the second or the third tier decides. Its largest logit, x[at], is finite. The sums over the
 * row are computed when they are first needed. */
typedef struct {
    const float *x;
    size_t n, at;
    bool   summed;
    dd     others;       // sum over j != at of e^(x_j - x_at)
    dd     log;          // log(1 + others)
    size_t allowed, equal;   // how many logits are above -inf (0: not counted yet); how many equal the largest
    double next;         // the largest x_j - x_at with j != at
} UndecidedRow;

/* Decide element v of a row by the second and the third tier. False: neither can. */
bool softmax_decide(UndecidedRow *row, size_t v, float *p);
bool log_softmax_decide(UndecidedRow *row, size_t v, float *l);

#endif
