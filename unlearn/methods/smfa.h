/* SPDX-License-Identifier: MIT */
/* The arithmetic of SMFA, apart from its trainings, so that it can be checked by hand. */
#ifndef PULSE_UNLEARN_METHODS_SMFA_H
#define PULSE_UNLEARN_METHODS_SMFA_H

#include "unlearn/trained.h"

/* f [any shape] with +0 in place of the entries that contradict the anchor's change a, of the same shape: those
 * where f a < 0 and l |a| < |f|, as real numbers, with l = RN(k RN(|f| / RN(|a| + 1e-8))), |.| the norm over all
 * entries, rounded once. NULL: a failure of the tape. */
Node *smfa_sculpt(Tape *t, Node *f, Node *a, float k);

/* What the trainings made: copies of all trained tensors. text is NULL except for smfa_form = open_mm. */
typedef struct {
    const Tensor *forget, *text, *anchor;
} SmfaTrainings;

/* Writes W = RN(W_0 + D_f' + …) into each trained weight and each weight that has an adapter; the adapters are then as
 * they were before the first step, so that they add nothing. */
bool  smfa_write(const MethodRun *run, const Trained *t, const SmfaTrainings *m);

#endif
