/* SPDX-License-Identifier: MIT */
/* The list of weights.def for one config: what must be there before any number is. For weights*.c, lora*.c and tests. */
#ifndef PULSE_MODEL_WEIGHTS_PLAN_H
#define PULSE_MODEL_WEIGHTS_PLAN_H

#include "model/weights.h"

typedef enum { MATRIX, RESIDUAL, TABLE, ONE, ZERO } Start;
typedef enum { KEEP, WIDE } Keep;

typedef struct {
    const char *name;
    Shape shape;
    Keep  keep;
    Start start;
    float std;                 // of MATRIX, RESIDUAL, TABLE
    bool  idle;
} Planned;

/* All of them in order; NULL when memory ran out. */
Planned *weights_plan(const ModelConfig *c, size_t *count, Arena *a, Error *e);
/* Makes by_name, once list is complete. */
bool weights_index(Weights *w, Error *e);

#endif
