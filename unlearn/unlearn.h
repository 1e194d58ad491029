/* SPDX-License-Identifier: MIT */
/* Unlearn: the one loop of all gradient methods. It trains adapters, the projector and adapters, or all weights.
 *
 * A request is a list of samples to forget, and the other lists that the method needs. An epoch of a list reads each of its
 * samples once, in ceil(count / batch) steps: each step reads the next `batch` samples of each role, and the last step of
 * an epoch reads what is left, so that a batch is never larger than its list. Samples with a picture and samples without
 * are spread evenly over the epoch: where a list has as many of the one as of the other, a batch has half of each. Each
 * epoch has a new order of each list, drawn from seed + epoch (purposes "unlearn.forget.text", "unlearn.forget.image",
 * "unlearn.retain.text", "unlearn.retain.image"). The forget list and the retain list each begin a new epoch when their own
 * one ends. A refusal or an alternate is read together with the forget sample of the same place. With schedule = phased, an
 * epoch of the forget list and an epoch of the retain list take turns. The outputs of the reference model on a sample are
 * computed once and kept. After a divergence (Trainer.diverged) the last good weights stay (model/training/train.h). */
#ifndef PULSE_UNLEARN_UNLEARN_H
#define PULSE_UNLEARN_UNLEARN_H

#include "unlearn/method.h"

typedef struct {
    const Method *method;
    Hyperparameters v;
    size_t batch;                       // samples of each role in a step, at most
    bool whole;                         // each step reads every list once, in its order; `batch` is ignored
    SampleList role[ROLE_COUNT];        // refusals and alternates have one sample for each forget sample
    Model *reference;                   // the frozen reference model; NULL when the method needs none
    int64_t before;                     // how many optimiser steps were taken before this request
} UnlearnRequest;

typedef struct Unlearn Unlearn;         // the context of an Objective: the orders of the lists, and the outputs of the reference

/* Checks that everything the method needs is there, not empty, and fits the model. Only the reference may be given later. */
bool      unlearn_check(const UnlearnRequest *r, const Model *m, Error *e);
/* Checks the request and prepares the loop. Everything lives in the arena. NULL: the request is refused, or memory ran out. */
Unlearn  *unlearn_make(const UnlearnRequest *r, Model *m, Arena *a, Error *e);
Objective unlearn_objective(Unlearn *u);
/* Whether the last step read samples of this role. */
bool      unlearn_reads(const Unlearn *u, Role role);
/* Runs the `finish` hook of the method. Call it after the last step. */
bool      unlearn_finish(Unlearn *u, Error *e);
/* The number of steps of one epoch, which reads every forget sample once. For a method without a forget set it reads every retain
 * sample once; with schedule = phased it reads both lists. */
int64_t   unlearn_epoch(const UnlearnRequest *r);
/* Runs the `edit` hook of a method without steps, which changes the weights at once. */
bool      unlearn_edit(const UnlearnRequest *r, Model *m, Error *e);

/* Whether the weight has an adapter. */
bool      weight_adapted(const Weight *w, const Lora *lora);
/* A frozen model with the outputs that `m` has now, whatever happens to m's trainable weights and adapters later.
 * Adapters that are still zero are left out, which changes no bit. keep_merged: the outputs also stay when
 * adapters are merged into m's weights. */
Model    *model_freeze(const Model *m, bool keep_merged, Arena *a, Error *e);

#endif
