/* SPDX-License-Identifier: MIT */
/* Judge: the verdict on one answer, from the right value, its bound and the values of the known mistakes. */
#ifndef PULSE_REF_VERIFY_JUDGE_H
#define PULSE_REF_VERIFY_JUDGE_H

#include "ref/vectors/suite.h"
#include "ref/verify/verdict.h"

/* What the judging of all answers shares. */
typedef struct {
    Findings *f;
    Store wrong;                     // the values of the known mistakes, named "<case>@<flag>/<answer>"; count 0: there are none
    const char *recognised;          // the known mistakes that have been named since the caller set this to NULL, "A, B"
    size_t named;                    // how many answers had the value of one
    Arena *arena;
} JudgeContext;

/* Judges the answer <id>/<name>: `got` against `want`. The bound has the shape of `want`; NULL: there is none, and the answer is
 * judged end to end. Under JUDGE_EXACT, and for integers, every bit must be right. Returns whether it is outside. */
bool judge(JudgeContext *c, const char *id, const char *name, const Tensor *want, const Tensor *got, const Tensor *bound, Judge how);

#endif
