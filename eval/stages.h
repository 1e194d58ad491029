/* SPDX-License-Identifier: MIT */
/* Stages: for protocol.c only. Each function returns the index of a stage in the plan. It adds the stage unless the
 * plan already has one with the same digest. NO_STAGE: memory ran out, which the error of the plan's arena says. */
#ifndef PULSE_EVAL_STAGES_H
#define PULSE_EVAL_STAGES_H

#include "eval/protocol.h"

/* The stage that asks the questions of a group of the world and the general ones. It asks every snapshot of the unlearn
 * stage `unlearn`, which starts from the model m; with NO_STAGE for `unlearn`, it asks the model m itself. */
size_t stage_of_answers(Plan *p, StartModel m, size_t unlearn, size_t group);
/* The stage that probes the last snapshot of the unlearn stage `unlearn`, which starts from the model m; with NO_STAGE
 * for `unlearn`, it probes the model m itself. */
size_t stage_of_probe(Plan *p, const Case *one, StartModel m, size_t unlearn);
/* The stage that unlearns all requests of a case. */
size_t stage_of_unlearning(Plan *p, const Case *one);

#endif
