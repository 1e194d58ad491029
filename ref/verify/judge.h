/* SPDX-License-Identifier: MIT */
/* Judge: the verdict on one answer, from the right value, its bound, its noise and the values of the known mistakes. */
#ifndef PULSE_REF_VERIFY_JUDGE_H
#define PULSE_REF_VERIFY_JUDGE_H

#include "ref/verify/mistakes.h"

/* What the judging of all answers shares. The precision is that of `mistakes`. */
typedef struct {
    Findings *f;
    Mistakes mistakes;
    Arena *arena;
} JudgeContext;

/* Judges the answer <id>/<name> (<name> where id is empty) and returns whether it is outside. It is
 *     BITEXACT   with the bits of the right value
 *     WITHIN     if no element is over its bound (at fp32, where there is one), and it is within `tolerances` of the noise, where there
 * is one
 *     NOISY      if it is within 16 times that, and the noise is over half of the right value
 *     UNTOLD     if there is neither a bound nor noise for it
 * and else OUTSIDE. x->got may be of another dtype (as_right). Under x->exact, and for integers, every bit must be right. */
bool judge(JudgeContext *c, const char *id, const char *name, Answer x);

#endif
