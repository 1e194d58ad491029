/* SPDX-License-Identifier: MIT */
/* The arithmetic of SMFA, apart from its trainings, so that it can be checked by hand. */
#ifndef PULSE_UNLEARN_METHODS_SMFA_H
#define PULSE_UNLEARN_METHODS_SMFA_H

#include "tensor/tape.h"

/* f [any shape] with +0 in place of the entries that contradict the anchor's change a, of the same shape: those
 * where f a < 0 and l |a| < |f|, as real numbers, with l = RN(k RN(|f| / RN(|a| + 1e-8))), |.| the norm over all
 * entries, rounded once. NULL: a failure of the tape. */
Node *smfa_sculpt(Tape *t, Node *f, Node *a, float k);

#endif
