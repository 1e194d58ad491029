/* SPDX-License-Identifier: MIT */
/* Unlearn: the one loop of all gradient methods, over adapters, projector and adapters, or all weights.
 *
 * A request is a list of samples to forget, with what the method needs beside it. Each step draws `batch` samples of
 * each role that the method needs: pictures and text in equal shares where both are there, each list in a fresh order
 * every epoch, drawn from the seed (purposes "unlearn.forget", "unlearn.retain"). Refusals and alternates go with the
 * forget sample of the same place. phased: passes over the forget list and over the retain list take turns.
 * Reference logits of a sample are computed once and kept while the reference is fixed.
 * Divergence: Trainer.diverged, the last good weights stay (train.h). */
#ifndef PULSE_UNLEARN_UNLEARN_H
#define PULSE_UNLEARN_UNLEARN_H

#include "unlearn/method.h"

typedef struct {
    const BatchSample *list;
    size_t count;
} SampleList;

typedef struct {
    const Method *method;
    Variants v;
    size_t batch;                       // samples of each role in a step
    SampleList role[ROLE_COUNT];        // refusals and alternates: as long as the forget list
    Model *reference;                   // frozen; NULL when the method needs none
} UnlearnRequest;

typedef struct Unlearn Unlearn;         // an Objective's context: orders, cached reference logits

/* Checks the request (a role that is missing, an empty forget set, beta <= 0, …); everything lives in the arena. */
Unlearn  *unlearn_make(const UnlearnRequest *r, Model *m, Arena *a, Error *e);
Objective unlearn_objective(Unlearn *u);
/* Steps that show every forget sample once: the length of an epoch. */
int64_t   unlearn_epoch(const UnlearnRequest *r);
/* A frozen copy of what `m` computes now: trainable weights and adapters are copied, the rest is shared. */
Model    *model_freeze(const Model *m, Arena *a, Error *e);

#endif
