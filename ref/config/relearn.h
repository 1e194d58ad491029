/* SPDX-License-Identifier: MIT */
/* Relearn: the attack that fine-tunes an unlearned model for a short time. */
#ifndef PULSE_REF_CONFIG_RELEARN_H
#define PULSE_REF_CONFIG_RELEARN_H

#include "eval/evaluate.h"
#include "ref/config/session.h"

/* Makes x->model, and fine-tunes it on the questions `on` with their answers. These questions are the retain set of one
 * round of the method retain_ft. `m` comes from settings_relearning or settings_relearning_general. A loss, a gradient
 * norm or a weight that is not finite ends the round; the weights of the last good step stay. */
bool session_relearn(Session *x, const MethodSettings *m, const Questions *on, Arena *a, Error *e);

#endif
