/* SPDX-License-Identifier: MIT */
/* Ranks: what the order of scores says. Counted in integers, so no rounding can move a tie. */
#ifndef PULSE_EVAL_METRICS_RANKS_H
#define PULSE_EVAL_METRICS_RANKS_H

#include <stdint.h>
#include "tensor/base/arena.h"

/* Ascending, in place (heap sort; equal doubles have equal bits but for the zeros, which count as equal). No NaN. */
void ranks_sort(double *x, size_t n);

/* AUC of membership: 2 wins + ties over 2 n m, a win being a pair in which the held-out text has the higher score (is less like a member).
 * 1/2: cannot be told; 1: every forgotten text is more likely than every held-out one. Error: one class is empty, or a NaN. */
typedef struct { uint64_t twice, pairs; } Auc;
bool   auc_of(Auc *out, const double *forget, size_t n, const double *holdout, size_t m, Arena *a, Error *e);
double auc_value(Auc u);
/* MUSE: 100 (A - A_retrain) / A_retrain with A = 1 - AUC. 0 is best, below: under-unlearned, above: over-unlearned. NaN when A_retrain is 0. */
double privleak(double auc, double auc_retrain);

/* Two-sample Kolmogorov-Smirnov: D = max |F_x - F_y| = gap / (n m), and p = P(D >= that) when both come from one distribution: of all
 * C(n + m, n) orders without ties, the share whose gap is as large, counted exactly (scipy's method="exact"); no asymptotic formula.
 * p is within 2^-50 of that rational, and 0 below 2^-1000. Forget quality (TOFU) is p of the truth ratios of unlearned and retrained model.
 * Error: an empty sample, a NaN, or more than RANKS_MAX values in one. */
enum { RANKS_MAX = 1000 };
typedef struct { uint64_t gap; double d, p; } KolmogorovSmirnov;
bool ks_test(KolmogorovSmirnov *out, const double *x, size_t n, const double *y, size_t m, Arena *a, Error *e);

#endif
