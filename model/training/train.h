/* SPDX-License-Identifier: MIT */
/* Train: the one loop that pre-training, fine-tuning and every unlearning method share.
 *
 *     Trainer r;
 *     trainer_make(&r, &model, &config, &arena, &error);
 *     while (r.optimiser.step < config.steps && train_step(&r, &objective, &error))
 *         log(r.stats);
 *
 * A step: the objective gives a batch, runs the model forward, records its loss and seeds the gradients of what
 * its loss is defined on (logits, hidden states); the tape is walked back; the optimiser's update is recorded;
 * only then do weights change. accumulate = n is for memory and is another definition: the batch's samples are cut
 * into n groups in order, each group's gradients are rounded, and the n partial gradients are added by one n-ary sum.
 * Fails: a loss or gradient norm that is not finite ends training (`diverged`): the last good weights stay. */
#ifndef PULSE_MODEL_TRAINING_TRAIN_H
#define PULSE_MODEL_TRAINING_TRAIN_H

#include "model/model.h"
#include "tensor/optimiser.h"

typedef struct {
    int64_t steps;             // optimiser steps in all
    int64_t accumulate;        // groups a step is cut into; 1: none
    OptimiserConfig optimiser;
} TrainConfig;

/* What is trained on and towards. `loss` may be called once for each of the `accumulate` groups; a group's loss is
 * its part of the step's loss (normalised by the counts of the whole step), and the parts are added. */
typedef struct Objective Objective;
struct Objective {
    void *context;
    /* The samples of step t = 1 … steps, in order. */
    bool (*samples)(void *context, int64_t step, BatchSample **samples, size_t *count, Arena *a, Error *e);
    /* Runs forward on the group, records the loss, seeds gradients; the scalar node of the loss. first: index in the step of
     * the group's first sample; all: samples of the whole step. */
    Node *(*loss)(void *context, Tape *t, Params *p, const BatchSample *group, size_t count, size_t first,
                  const BatchSample *all, size_t all_count);
    /* Before the update is recorded: may replace gradients (saliency masks). May be NULL. */
    bool (*gradients)(void *context, Tape *t, Node **gradients, const OptimiserSlot *slots, size_t count);
};

typedef struct {
    float  loss, norm, lr;
    size_t tokens, samples;
    size_t peak;               // bytes of the step arena
} StepStats;

typedef struct {
    Model     *model;
    TrainConfig config;
    Optimiser  optimiser;
    Weight   **trainables;     // slot k trains trainables[k]
    Arena      step_arena;
    Tape       tape;           // of the last step until the next begins: trace.c reads it
    Node      *loss;
    Params     params;
    StepStats  stats;
    bool       diverged;
} Trainer;

bool trainer_make(Trainer *r, Model *m, const TrainConfig *c, Arena *a, Error *e);
bool train_step(Trainer *r, const Objective *o, Error *e);
/* The step up to its commit: the tape and the optimiser's slots hold all of it, and no weight has changed.
 * optimiser_commit may follow. */
bool train_compute(Trainer *r, const Objective *o, Error *e);
void trainer_close(Trainer *r);                    // frees the step arena

#endif
