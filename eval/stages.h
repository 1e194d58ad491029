/* SPDX-License-Identifier: MIT */
/* Stages: for protocol.c only. Each function returns the index of a stage in the plan, which it adds unless the plan has a stage with the
 * same digest. NO_STAGE: memory ran out, which the plan's arena says. */
#ifndef PULSE_EVAL_STAGES_H
#define PULSE_EVAL_STAGES_H

#include "eval/protocol.h"

/* The answers of the model m, or of every snapshot that the unlearn stage `of` made from it (NO_STAGE: of the model itself), to
 * the questions of a group of the world and to the general ones. */
size_t stage_of_answers(Plan *p, StartModel m, size_t of, size_t group);
/* The probe of the model m, or of the last snapshot that the unlearn stage `of` made from it. */
size_t stage_of_probe(Plan *p, const Case *one, StartModel m, size_t of);
/* The unlearning of all requests of a case. */
size_t stage_of_unlearning(Plan *p, const Case *one);

#endif
