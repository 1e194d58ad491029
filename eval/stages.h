/* SPDX-License-Identifier: MIT */
/* Stages: for protocol.c only. Each function adds a stage to the plan, or finds the one that is the same work, and returns its
 * place. A stage of which one has too little memory is NO_STAGE, and the plan's arena says so. */
#ifndef PULSE_EVAL_STAGES_H
#define PULSE_EVAL_STAGES_H

#include "eval/protocol.h"

/* The answers of the model m, or of every snapshot that the unlearn stage `of` made from it (NO_STAGE: of the model itself), to
 * the questions of a group of the world and to the general ones. cost: about seconds. */
size_t stage_of_answers(Plan *p, StartModel m, size_t of, size_t group, double cost);
/* What a model is asked at its end: the model m, or what the unlearn stage `of` made of it. */
size_t stage_of_probe(Plan *p, const Case *one, StartModel m, size_t of);
/* All requests of a case. */
size_t stage_of_unlearning(Plan *p, const Case *one);

#endif
