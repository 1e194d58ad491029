/* SPDX-License-Identifier: MIT */
/* Meta-evaluation: which metrics of forgetting can be trusted. A metric is measured on three pools of models for which
 * the right verdict is known:
 *     P  (know)     models that learned the forget set
 *     N  (unknown)  models that never saw it
 *     H  (hidden)   models that know it but hide it: models of P with an adapter that refuses, that gives a wrong
 *                   option, or that suppresses the text questions alone; without the adapter they answer as before
 * Each value m is oriented so that a larger m means more knowledge, and mapped to 0 … 1 by the range of the metric.
 * From these values:
 *     F       AUC(P, N), ties count 1/2: how well the metric separates the models of P from those of N
 *     hidden  AUC(H, N): the deciding number; near 1/2 or below, the metric takes a hidden answer for a forgotten one
 *     Q       mean over H of clip(m after quantisation to 4 bits / m)
 *     R       mean over H of clip(mean change in N / change of the model), where a change is m after relearning minus m
 *             before; low if a model relearns faster than one that never knew
 *     B       mean over H of the harmonic mean of Q and R of one model
 *     A       harmonic mean of F and B
 * clip limits to 0 … 1; 0/0 and x/0 are 1; a harmonic mean is 0 if one of its numbers is 0. F, Q, R, B and A are the
 * formulas of OPEN-MMUNLEARNING, which has unlearned models in place of H. The metrics quantisation and relearning of
 * metrics.def are also called Q and R there, but they have other formulas. */
#ifndef PULSE_EVAL_KNOWLEDGE_META_H
#define PULSE_EVAL_KNOWLEDGE_META_H

#include "eval/metrics/metric.h"
#include "tensor/base/arena.h"

/* Whether the metric measures knowledge of the forget set. Its range must have two ends, and its best value on that
 * set must be "up", "down", 1, or 0.5 (the AUC of a membership attack, which is 1 if the attack recognises every
 * member). */
bool   meta_orients(const Metric *m);
/* The value, oriented and mapped to 0 … 1; NaN where the metric does not orient or the value is NaN. */
double meta_knows(const Metric *m, double value);
/* clip(x / y). */
double meta_ratio(double x, double y);

/* The oriented values of one metric for the models of a pool; NaN: not measured. */
typedef struct { const double *as_is, *quantised, *relearned; size_t count; } MetaPool;
typedef struct {
    size_t know, unknown, hidden;        // how many models of each pool have a value; the others are left out
    double f, auc_hidden, q, r, b, a;    // NaN: a pool is empty, or its models were not quantised and relearned
} MetaScore;
bool   meta_score(MetaScore *out, MetaPool know, MetaPool unknown, MetaPool hidden, Arena *a, Error *e);

#endif
