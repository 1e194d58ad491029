/* SPDX-License-Identifier: MIT */
/* Measure: from the answers to the questions of a split to the rows of results.csv. Which metric is what: metrics.def.
 *
 * For each modality (image, text, both) every metric that the answers allow: what needs options or texts only where they were asked for,
 * what compares with the oracle only where there is one, pairs of picture and text only for "both". The truth ratio has TOFU's form
 * for what is to be forgotten on such splits, and the form for what is to be kept on the others. */
#ifndef PULSE_EVAL_METRICS_MEASURE_H
#define PULSE_EVAL_METRICS_MEASURE_H

#include "eval/results.h"

typedef struct {
    const EntityList *entities;          // NULL: those of `group`
    const char *group;
    bool forget;                         // is to be forgotten
} Whose;

/* Rows like `row`, with modality, metric, value, count and total filled in. oracle: its answers to the same questions in the same order, or NULL. */
bool measure(Rows *rows, Row row, Whose whose, const Result *r, const Result *oracle, size_t count, Error *e);

/* Whether `measure` has the metric only where there is an oracle. */
bool measured_against_oracle(const char *metric);

/* Rows of one metric: the share of the answers for which `right` holds. */
bool measure_share(Rows *rows, Row row, const char *metric, Whose whose, bool (*right)(const Result *), const Result *r, size_t count, Error *e);
bool result_exact(const Result *r);      // the greedy answer is exactly the answer
bool result_cloze(const Result *r);      // the answer stands in the greedy text
/* Model utility of TOFU's form from the rows [first, rows->count) of one model, where they hold all that it is made of. */
bool measure_utility(Rows *rows, size_t first);

#endif
