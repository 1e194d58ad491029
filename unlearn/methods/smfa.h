/* SPDX-License-Identifier: MIT */
/* The arithmetic of SMFA, separate from its trainings, so that it can be checked by hand; smfa.c has the equations.
 *
 * A change is what a training did to one weight: RN(W - W_0), or RN(s B A) where an adapter was trained. The anchor is
 * the model that was trained on retained samples alone. */
#ifndef PULSE_UNLEARN_METHODS_SMFA_H
#define PULSE_UNLEARN_METHODS_SMFA_H

#include "unlearn/trained.h"

/* A copy of the change f, with +0 in place of the entries that contradict the anchor's change a, which has the same
 * shape. An entry f_i contradicts a_i where f_i a_i < 0 and l |a_i| < |f_i|, as real numbers. Here
 * l = RN(k RN(|f| / RN(|a| + 1e-8))), and |f| and |a| are norms over all entries, rounded once. NULL: a failure of the
 * tape. */
Node *smfa_sculpt(Tape *t, Node *f, Node *a, float k);

/* Copies of all trained tensors, as each training left them. `forget` is that of the request itself. With smfa_form =
 * open_mm, `forget` is that of the samples with a picture, and `text` that of the others; otherwise `text` is NULL. */
typedef struct {
    const Tensor *forget, *text, *anchor;
} SmfaTrainings;

/* Writes W = RN(W_0 + D_f') into each trained weight and each weight that has an adapter. W_0 is the weight before the
 * first step, and D_f' the sculpted change; if m->text is given, its sculpted change is a third term. The adapters
 * become what they were before the first step, so they add nothing. */
bool  smfa_write(const MethodRun *run, const Trained *t, const SmfaTrainings *m);

#endif
