/* SPDX-License-Identifier: MIT */
/* Metric: what is measured, each with its formula, range, direction and source, in one list (metrics.def).
 *
 * Metrics are plain binary64: + - * / and sqrt in the written order, sums from the first item to the last, so they have the same
 * bits everywhere. Where a formula has exp or log, it is that of double-double (tensor/dd.h) cut to its high half: no libm.
 * What is a ratio is counted in integers and divided once. The mean of nothing is NaN (null in results.jsonl).
 * By subject: this page counts, means, and what several of them make;
 *     answers.h     string rules: exact match, cloze, letters, choices          rouge.h       ROUGE-1, -2, -L; Porter's stemmer
 *     likelihood.h  probability, truth ratio, memorisation, MIA scores          ranks.h       AUC, PrivLeak, forget quality (KS)
 *     robust.h      relearning, 4-bit quantisation, distance to the oracle      mmbench.h, mllmu.h   other people's files
 * Not here: MIA by zlib (the length depends on the version of zlib) and by gradient norm; judges and BLEU. */
#ifndef PULSE_EVAL_METRICS_METRIC_H
#define PULSE_EVAL_METRICS_METRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *name;          // the column `metric` of results.csv
    const char *formula, *range;
    const char *better;        // on what is to be kept: "up", "down", or the value that is best
    const char *where;         // by which commands, on what
    const char *source;
} Metric;

extern const Metric metrics[];
extern const size_t metrics_count;
const Metric *metric_find(const char *name);         // NULL: there is none

/* --- Counts --- */
typedef struct { int64_t count, total; } Ratio;
Ratio  ratio_of(const bool *right, size_t n);
double ratio_value(Ratio r);                         // count / total
double mean_of(const double *x, size_t n);           // RN(sum / n), the sum from first to last
/* after / before; NaN when before is 0. */
double retention(double before, double after);

/* CircularEval (MMBench): a question with n options is asked n times, its options rotated left by one each round, and is right when
 * every answer is. Single pass: round 0 alone. In any order. */
typedef struct { int64_t question; int round, rounds; bool right; } CircularAnswer;
/* False when a round of a question is missing or there twice, or rounds disagree: `bad` is then that question. */
bool circular_score(const CircularAnswer *a, size_t n, Ratio *single, Ratio *circular, int64_t *bad);
/* The original place of the option that stands at `place` in round r of n options: (place + r) mod n; and the reverse. */
size_t circular_option(size_t place, size_t round, size_t n);
size_t circular_place(size_t option, size_t round, size_t n);

/* --- Both modalities (UMU-Bench): item k asked with a picture (a) and in text alone (b) --- */
Ratio  umu_all_right(const bool *a, const bool *b, size_t n);
Ratio  umu_all_wrong(const bool *a, const bool *b, size_t n);
double umu_contraharmonic(const double *a, const double *b, size_t n);     // mean of (a^2 + b^2) / (a + b), 0 where a + b = 0
double umu_harmonic(const double *a, const double *b, size_t n);           // mean of 2ab / (a + b), 0 where a + b = 0

/* n / sum 1/x: 0 when any x is 0. Model utility (TOFU) is that of its nine means. x >= 0. */
double harmonic_mean(const double *x, size_t n);

#endif
