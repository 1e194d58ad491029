/* SPDX-License-Identifier: MIT */
/* Relearn: the attack that fine-tunes an unlearned model for a short time. */
#ifndef PULSE_REF_CONFIG_RELEARN_H
#define PULSE_REF_CONFIG_RELEARN_H

#include "eval/evaluate.h"
#include "ref/config/session.h"

/* Fine-tunes the opened model on the questions with their answers, and makes x->model: one round of the method retain_ft
 * (settings_relearning) with them as its retain set. A loss that is not finite ends it. */
bool session_relearn(Session *x, const MethodSettings *m, const Questions *on, Arena *a, Error *e);

#endif
