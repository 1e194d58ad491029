/* SPDX-License-Identifier: MIT */
/* Ranks: what the order of scores says. Everything is counted in integers, so that no rounding can move a tie. */
#ifndef PULSE_EVAL_METRICS_RANKS_H
#define PULSE_EVAL_METRICS_RANKS_H

#include <stdint.h>
#include "tensor/base/arena.h"

/* Sorts n values in ascending order, in place, by heap sort. Heap sort is not stable, but equal doubles have equal
 * bits, except zeros, which count as equal. No value may be NaN. */
void ranks_sort(double *x, size_t n);

/* The AUC of membership: (2 wins + ties) / (2 n m). A win is a pair whose held-out text has a higher score than
 * its forgotten text, so the held-out text looks less like a member. 1/2: the classes cannot be told apart; 1: every
 * forgotten text looks more like a member than every held-out one. `a` is scratch memory, which is released again.
 * Error: a class is empty, or a score is NaN. */
typedef struct { uint64_t twice, pairs; } Auc;         // 2 wins + ties; n m
bool   auc_of(Auc *out, const double *forget, size_t n, const double *holdout, size_t m, Arena *a, Error *e);
double auc_value(Auc u);
/* PrivLeak (MUSE, Shi et al. 2024): 100 (A - A_retrain) / A_retrain with A = 1 - AUC. 0 is best. Below 0 too little is
 * forgotten, above 0 too much. NaN where A_retrain is 0. */
double privleak(double auc, double auc_retrain);

/* The two-sample Kolmogorov-Smirnov test, of n values x and m values y. D = max |F_x - F_y| = gap / (n m), where F is
 * the share of a sample's values up to a point. p is the probability of such a D, or a larger one, if both samples come
 * from one distribution: the share of all C(n + m, n) orders without ties whose gap is at least as large. These orders
 * are counted exactly (scipy's method="exact"), with no asymptotic formula. The double p is within 2^-50 of the exact
 * share, and 0 below 2^-1000. Forget quality (TOFU) is p for the truth ratios of the unlearned and of the retrained
 * model. Error: a sample is empty, holds a NaN, or has more than RANKS_MAX values. */
enum { RANKS_MAX = 1000 };
typedef struct { uint64_t gap; double d, p; } KolmogorovSmirnov;
bool ks_test(KolmogorovSmirnov *out, const double *x, size_t n, const double *y, size_t m, Arena *a, Error *e);

#endif
