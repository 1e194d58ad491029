/* SPDX-License-Identifier: MIT */
/* Verdict: what the paired differences of the bases say about a finding, by rules that were fixed before any base was
 * run.
 *
 *     undecided      fewer bases than `bases` are finished
 *     not tested     a finding that comes earlier in the fixed order is not "yes"
 *     undecided      more than one base never reaches a level, or fewer than two bases have a difference
 *     yes            the interval lies above delta
 *     reversed       the interval lies below -delta
 *     no             the interval lies below delta
 *     underpowered   the half-width of the interval is larger than `widest`
 *     undecided      none of these
 *
 * The first line that holds decides.
 *
 * Levels are the accuracies at which models are compared (`levels` of the registration). A base "never reaches a level"
 * if it misses at least one of them, or if its measure has no value for another reason (measure in contrasts.c). If
 * there is exactly one such base, the verdict is made without it; `reached` then is one less than `finished`. */
#ifndef PULSE_EVAL_EVIDENCE_VERDICT_H
#define PULSE_EVAL_EVIDENCE_VERDICT_H

#include <stdint.h>
#include "eval/evidence/statistics.h"

typedef enum {
    EVIDENCE_YES, EVIDENCE_NO, EVIDENCE_REVERSED, EVIDENCE_UNDECIDED, EVIDENCE_UNDERPOWERED, EVIDENCE_NOT_TESTED, EVIDENCE_KINDS
} EvidenceKind;
const char *evidence_name(EvidenceKind k);

typedef struct {
    double delta;          // the smallest effect that matters
    double widest;         // an interval that decides nothing is "underpowered" if its half-width is larger than this
    size_t bases;          // how many were registered
} EvidenceRule;

typedef struct {
    double difference;     // the mean over the seeds of this base
    bool reached;          // false: the base never reaches a level, and has no difference
    int64_t number;        // of the base, from 1
} BaseDifference;

typedef struct {
    EvidenceKind kind;
    Interval interval;     // over the bases that have a difference; zeros where there are fewer than two
    double p;              // of the sign-flip test over the same bases; 1 where there are fewer than two
    size_t finished;       // how many bases are finished
    size_t reached;        // how many of these have a difference
    BaseDifference base[SIGN_FLIP_MAX];    // [finished]
} Evidence;

/* Error: more bases than were registered, or than interval_of and sign_flip_p take; a difference that is not finite. */
bool evidence_decide(Evidence *out, const BaseDifference *base, size_t finished, EvidenceRule rule, Error *e);
/* Findings in their fixed order: each is tested only while all before it are "yes". */
void evidence_in_order(Evidence *findings, size_t count);

#endif
