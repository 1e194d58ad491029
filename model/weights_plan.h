/* SPDX-License-Identifier: MIT */
/* The plan of a model's weights: all weights of an architecture's record, listed layer by layer for one config, before
 * their numbers are known. This header is only for weights*.c, the files of lora/, and tests. */
#ifndef PULSE_MODEL_WEIGHTS_PLAN_H
#define PULSE_MODEL_WEIGHTS_PLAN_H

#include "model/arch.h"
#include "model/weights.h"

typedef struct {
    const char *name;
    Shape       shape;
    WeightDtype dtype;
    WeightStart start;
    float       std;           // of START_MATRIX, START_RESIDUAL and START_TABLE
    bool        idle;          // the forward pass never reads it, so it may be absent from a file
} Planned;

/* All weights in order, in `a`. NULL: no memory. */
Planned *weights_plan(const ModelConfig *c, size_t *count, Arena *a, Error *e);
/* How many weights a file must hold: those that are not idle. SIZE_MAX: no memory. */
size_t weights_required(const ModelConfig *c, Arena *a);
/* Makes w->by_name, the index that weights_find searches; call it once the list is complete. */
bool weights_index(Weights *w, Error *e);

#endif
