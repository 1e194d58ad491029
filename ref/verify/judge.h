/* SPDX-License-Identifier: MIT */
/* Judge: the verdict on one answer, from the right value, its bound, its noise and the values of the known mistakes. */
#ifndef PULSE_REF_VERIFY_JUDGE_H
#define PULSE_REF_VERIFY_JUDGE_H

#include "ref/verify/mistakes.h"

/* What the judgements of all answers share. They are made at the precision of `mistakes`. */
typedef struct {
    Findings *f;
    Mistakes mistakes;
    Arena *arena;
} JudgeContext;

/* Judges the answer <id>/<name> (<name> if id is empty) and returns whether it is outside. The first of these that
 * holds is its verdict. A bound counts only at fp32.
 *     MIS-SHAPED it has another shape, or a dtype that as_right does not convert
 *     BITEXACT   it has the bits of the right value
 *     OUTSIDE    it must have these bits: x.exact, or integers
 *     UNTOLD     it is finite, and there is neither a bound nor noise for it
 *     NOISY      the noise is over half of the right value (for new weights: of their change), and the error is within
 *                16 times the tolerance; bounds do not count
 *     WITHIN     no element is over its bound (if there is a bound), and the error is within the tolerance (if there is
 *                noise); weights that a step should have changed but did not are never WITHIN
 *     OUTSIDE    otherwise
 * The tolerance is the noise times a factor (ref/trace/tolerance.h). */
bool judge(JudgeContext *c, const char *id, const char *name, Answer x);

#endif
