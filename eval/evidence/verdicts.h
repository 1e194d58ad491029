/* SPDX-License-Identifier: MIT */
/* Verdicts: what all finished bases say about each registered finding.
 *
 * The difference of a base is the mean of a finding's measure over the methods and the seeds of unlearning, minus the
 * finding's threshold. For a single method, it is the mean over the seeds, minus the threshold. A base counts for a
 * finding if all methods and seeds are there, and it reaches the levels if every method reaches them with every seed.
 * Base 0, which is not registered, is never read. Holm's correction adjusts the p-values of the methods. */
#ifndef PULSE_EVAL_EVIDENCE_VERDICTS_H
#define PULSE_EVAL_EVIDENCE_VERDICTS_H

#include "eval/evidence/registration.h"

typedef struct {
    const Finding *finding;
    Evidence all;                        // the mean of the methods
    Evidence method[LISTED_MAX];         // [registration's methods]; p by Holm
    const char *before;                  // the earlier finding that is not "yes", so this one is not tested; NULL: none
} Verdict;

typedef struct {
    Verdict verdict[FINDINGS_MAX];       // in the order of the registration
    size_t  count;
    size_t  finished;                    // bases that are finished
} Verdicts;

/* Reads FOLDER/base-1 to FOLDER/base-N as far as they are finished. The registration must outlive the verdicts. */
bool verdicts_read(Verdicts *out, const Registration *r, const char *folder, Arena *a, Error *e);

/* "Undecided: 3 of 8 bases are finished.", "Yes.": the verdict in words. */
const char *verdict_words(const Verdict *v, const Registration *r, Arena *a);
/* "0.123 (0.051 to 0.195), p = 0.0078, 8 bases": the mean of the measure, without subtracting the threshold, and its
 * interval; "" where fewer than two bases have a value. */
const char *verdict_numbers(const Evidence *x, const Finding *f, Arena *a);

#endif
