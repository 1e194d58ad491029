/* SPDX-License-Identifier: MIT */
/* Metric: metrics.def lists everything that is measured, with formula, range, direction and source.
 *
 * Metrics are plain binary64: + - * / and sqrt in the written order, and sums from the first item to the last, so that
 * they have the same bits everywhere. exp and log are computed in double-double (tensor/exact/dd.h) and rounded to the
 * high half; no function of libm is called. A ratio is counted in integers and divided once. The mean of nothing is NaN
 * (null in results.jsonl). This header has counts, means, and metrics made of several of these. The other headers:
 *     accuracy.h           rules for written answers       rouge.h        ROUGE-1, -2, -L; Porter's stemmer
 *     likelihood.h         probability, truth ratio        ranks.h        AUC, PrivLeak, forget quality (KS)
 *     memorisation.h       memorised tokens                attacks.h      relearning, 4-bit quantisation
 *     membership_scores.h  MIA scores of one text          distance.h     the distance between two models
 *     membership.h         the AUC of these scores         measure.h      from answers to rows of results.csv
 * There is no MIA by zlib (the length depends on the version of zlib) or by gradient norm, no judge model, and no
 * BLEU. */
#ifndef PULSE_EVAL_METRICS_METRIC_H
#define PULSE_EVAL_METRICS_METRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *name;          // the column `metric` of results.csv
    const char *formula, *range;
    const char *better;        // on what is to be retained and on general ability: "up", "down", or the best value
    const char *better_forget; // on what is to be forgotten; "-": the metric is not measured there
    const char *where;         // which commands measure it, and on what
    const char *source;
} Metric;

extern const Metric metrics[];
extern const size_t metrics_count;
const Metric *metric_find(const char *name);         // NULL: there is none
/* The direction on a split of results.csv: `better` on "retain", "general" and "general_reporting", `better_forget` on
 * all other splits ("unlearn", "so_far", "round3"). */
const char *metric_better(const Metric *m, const char *split);

/* --- Counts --- */
typedef struct { int64_t count, total; } Ratio;
Ratio  ratio_of(const bool *right, size_t n);
double ratio_value(Ratio r);                         // count / total
double mean_of(const double *x, size_t n);           // sum / n in binary64, the sum from first to last
/* after / before; NaN where before is 0. */
double retention(double before, double after);

/* CircularEval (MMBench): a question with n options is asked n times, and each round rotates its options left by one.
 * The question counts as right if all n answers are right. The single pass is round 0 alone. The list of answers may be
 * in any order. */
typedef struct { int64_t question; int round, rounds; bool right; } CircularAnswer;
/* False: a round of the question *bad is missing or there twice, or its answers disagree about the number of rounds. */
bool circular_score(const CircularAnswer *a, size_t n, Ratio *single, Ratio *circular, int64_t *bad);
/* circular_option: the original index of the option that is shown at `index` in a round of n options: (index + round)
 * mod n. circular_index: the index at which the option with the original index `option` is shown. */
size_t circular_option(size_t index, size_t round, size_t n);
size_t circular_index(size_t option, size_t round, size_t n);

/* --- Both modalities (UMU-Bench): item k asked as an image question (a) and as a text question (b) --- */
Ratio  umu_all_right(const bool *a, const bool *b, size_t n);
Ratio  umu_all_wrong(const bool *a, const bool *b, size_t n);
double umu_contraharmonic(const double *a, const double *b, size_t n);  // mean of (a^2 + b^2) / (a + b), 0 for a + b = 0
double umu_harmonic(const double *a, const double *b, size_t n);        // mean of 2ab / (a + b), 0 for a + b = 0

/* n / sum of 1/x, and 0 where any x is 0; x >= 0. Model utility is such a mean: of nine means in TOFU, of six here. */
double harmonic_mean(const double *x, size_t n);

#endif
