/* SPDX-License-Identifier: MIT */
/* One training step of the shipped model's size, for benchmarks: 32 picture samples of 34 tokens and 16 text samples of
 * 20 tokens, cross-entropy on three tokens of each, AdamW on all weights. The samples are made at the first step. A
 * ShippedStep must not be moved after it is made. */
#ifndef PULSE_TESTS_BENCH_SHIPPED_STEP_H
#define PULSE_TESTS_BENCH_SHIPPED_STEP_H

#include "model/training/cross_entropy.h"
#include "model/training/train.h"

typedef struct {
    Weights weights;
    Model   model;
    Trainer trainer;
    SampleSource source;
    Objective objective;
} ShippedStep;

/* train_step(&s->trainer, &s->objective, e) makes a step; trainer_close(&s->trainer) ends it. */
bool shipped_step_make(ShippedStep *s, Arena *a, Error *e);

#endif
