/* SPDX-License-Identifier: MIT */
/* Train: the one training loop that pre-training, fine-tuning and every unlearning method share.
 *
 *     Trainer r;
 *     trainer_make(&r, &model, &config, &arena, &error);
 *     while (r.optimiser.step < config.steps && train_step(&r, &objective, &error))
 *         log(r.stats);
 *     trainer_close(&r);
 *
 * In a step the objective gives the samples, runs the model forward, records its loss and seeds the gradients of the
 * logits or hidden states that the loss is defined on. Then the backward pass and the optimiser's update are recorded.
 * The weights change last. accumulate = n saves memory, but rounds at other places: the samples are cut in order
 * into n micro-batches, the gradients of each micro-batch are rounded, and the n partial gradients are added with
 * one rounding.
 * A loss, gradient norm, weight or moment that is not finite ends the training: `diverged` is set, and the weights of
 * the step before are kept. One thread at a time for each Trainer. */
#ifndef PULSE_MODEL_TRAINING_TRAIN_H
#define PULSE_MODEL_TRAINING_TRAIN_H

#include "model/model.h"
#include "tensor/optimiser.h"

typedef struct {
    int64_t steps;             // optimiser steps of the whole run
    int64_t accumulate;        // micro-batches that a step is cut into; 1: the whole step at once
    bool    checkpointing;     // gradient checkpointing: less memory, the same bits (tape_segment)
    size_t  features;          // bytes for the cache of a frozen vision tower's outputs (reuse/features.h); 0: no cache
    OptimiserConfig optimiser;
} TrainConfig;

/* The samples and the loss of a training. `loss` is called once for each micro-batch. The loss of a micro-batch is its
 * part of the step's loss. It is normalised by the counts of the whole step, so the parts add up to the step's loss. */
typedef struct Objective Objective;
struct Objective {
    void *context;
    /* The samples of step t (from 1), in order, in `a`. */
    bool (*samples)(void *context, int64_t step, BatchSample **samples, size_t *count, Arena *a, Error *e);
    /* Runs the model on the micro-batch, records the loss, seeds the gradients, and returns the scalar node of the
     * loss. `all` are the samples of the whole step; the micro-batch begins with all[first]. */
    Node *(*loss)(void *context, Tape *t, Params *p, const BatchSample *micro_batch, size_t count, size_t first,
                  const BatchSample *all, size_t all_count);
    /* May replace gradients before the update is recorded, as saliency masks do. NULL: they stay. */
    bool (*gradients)(void *context, Tape *t, Node **gradients, const OptimiserSlot *slots, size_t count);
    /* Replaces the clipped gradient of slot k before the moments use it (GradientHook). NULL: the gradient is kept. */
    Node *(*clipped)(void *context, Tape *t, size_t k, Node *g);
};

/* How many numbers an objective may keep from step to step. */
enum { TRAINER_MEMORY = 8 };

typedef struct {
    float  loss, norm, lr;     // norm: of all gradients together, before clipping; 0: the config does not clip
    size_t tokens, samples;    // of the step; image tokens count too
    size_t peak;               // the most bytes that Trainer.step_arena had in use, over all steps so far
} StepStats;

typedef struct {
    Model     *model;
    TrainConfig config;
    Optimiser  optimiser;
    Weight   **trainables;     // slot k of the optimiser trains trainables[k]
    Arena      step_arena;
    Tape       tape;           // of the last step, until the next one begins; `pulse-ref trace` reads it
    Node      *loss;           // of the last step
    Params     params;         // of the last micro-batch; with accumulate > 1, its nodes are freed before the step ends
    StepStats  stats;
    bool       diverged;
    float      memory[TRAINER_MEMORY];   // numbers that only the objective changes; they are part of a checkpoint
} Trainer;

/* Fails if no weight is trainable. While the trainer is open, Model.features may be its cache. The trainer and the
 * optimiser's state are in `a`; the model must outlive them. */
bool trainer_make(Trainer *r, Model *m, const TrainConfig *c, Arena *a, Error *e);
/* A step: train_compute, then optimiser_commit. */
bool train_step(Trainer *r, const Objective *o, Error *e);
/* A step without its last part: the tape and the optimiser's slots hold the whole step, but no weight has changed yet.
 * optimiser_commit changes the weights. */
bool train_compute(Trainer *r, const Objective *o, Error *e);
void trainer_close(Trainer *r);                    // frees the arena of the step, and the cache in Model.features

#endif
