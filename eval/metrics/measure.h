/* SPDX-License-Identifier: MIT */
/* Measure: makes the rows of results.csv from the answers to the questions of a split. metrics.def says what each
 * metric is.
 *
 * For each modality (image, text, both), `measure` adds the metrics that are computed from answers:
 * - those about options or texts only if the answers have these (Depth in evaluate.h);
 * - those that compare with the oracle only if there is one;
 * - those about pairs of an image and a text question only for "both".
 *
 * The truth ratio has TOFU's form for forgotten answers if subjects.forget is set, else the form for retained answers.
 * The metrics of memorisation leave the end token out; probabilities and CE count it. */
#ifndef PULSE_EVAL_METRICS_MEASURE_H
#define PULSE_EVAL_METRICS_MEASURE_H

#include "eval/results.h"

typedef struct {
    const EntityList *entities;          // the answers about these; NULL: those of `group`
    const char *group;
    bool forget;                         // these entities are to be forgotten
} Subjects;

/* Adds rows like `row`, with modality, metric, value, count, total and n filled in. oracle: the oracle's answers to the
 * same questions in the same order, [count]; NULL: there is none. No row is added for a modality without an answer. */
bool measure(Rows *rows, Row row, Subjects subjects, const Result *r, const Result *oracle, size_t count, Error *e);

/* Whether `measure` adds the metric only where there is an oracle. */
bool measured_against_oracle(const char *metric);

/* Adds the rows of one metric: the share of the answers for which `right` holds. */
bool measure_share(Rows *rows, Row row, const char *metric, Subjects subjects, bool (*right)(const Result *), const Result *r,
                   size_t count, Error *e);
// two choices of `right`: the greedy answer is exactly the right answer; the right answer stands in the greedy text
bool result_exact(const Result *r);
bool result_cloze(const Result *r);
/* Adds the mean log-odds of the right option, where options were asked for. */
bool measure_log_odds(Rows *rows, Row row, Subjects subjects, const Result *r, size_t count, Error *e);
/* Adds model utility (metrics.def) from the rows [first, rows->count) of one model. Adds nothing where one of the six
 * means that it is made of is missing. */
bool measure_utility(Rows *rows, size_t first);

#endif
