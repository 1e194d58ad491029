/* SPDX-License-Identifier: MIT */
/* Meta-evaluation: which metrics of forgetting can be believed. A metric is asked about three pools of models of which it is known what
 * they know of the forget set:
 *     P  models that learned it;   N  models that never saw it;
 *     H  models that know it and do not say it: models of P with an adapter that refuses, that gives a wrong option, or that suppresses
 *        the text questions alone. Taking the adapter off brings everything back.
 * A value is oriented so that more means that more is known, and mapped to 0 … 1 by the range of the metric. Of these values,
 *     F = AUC(P, N), how well the metric tells the first two pools apart, ties 1/2;   hidden = AUC(H, N), which decides:
 *         a metric near 1/2 or below takes a model that hides an answer for one that has forgotten it;
 *     Q = mean over H of clip(m with 4 bits / m);   R = mean over H of clip(mean change in N / change in H), where a change is m after
 *         relearning - m before: a model that relearns faster than one that never knew has been taken for one that forgot;
 *     B = mean over H of the harmonic mean of the two;   A = harmonic mean of F and B.
 * clip cuts to 0 … 1; 0/0 and x/0 are 1; a harmonic mean is 0 where either is 0. F, Q, R, B and A are those of OPEN-MMUNLEARNING, on H in
 * the place of its unlearned models. Q and R of metrics.def (quantisation, relearning) are other formulas. */
#ifndef PULSE_EVAL_KNOWLEDGE_META_H
#define PULSE_EVAL_KNOWLEDGE_META_H

#include "eval/metrics/metric.h"
#include "tensor/base/arena.h"

/* Whether the metric says on the forget set how much is known: its range has two ends, and its best value there is "up", "down", 1, or 0.5
 * (an AUC of membership, which is 1 where members are told from others). */
bool   meta_orients(const Metric *m);
/* The value, oriented and mapped to 0 … 1; NaN where the metric does not orient or the value is NaN. */
double meta_knows(const Metric *m, double value);
/* clip(x / y). */
double meta_ratio(double x, double y);

/* The oriented values of one metric for the models of a pool; NaN: not measured. */
typedef struct { const double *as_is, *quantised, *relearned; size_t count; } MetaPool;
typedef struct {
    size_t know, unknown, hidden;        // models of each pool of which there is a value; the others are left out
    double f, auc_hidden, q, r, b, a;    // NaN: a pool is empty, or its models were not quantised and relearned
} MetaScore;
bool   meta_score(MetaScore *out, MetaPool know, MetaPool unknown, MetaPool hidden, Arena *a, Error *e);

#endif
