/* SPDX-License-Identifier: MIT */
/* Unlearn: the one loop of all gradient methods, over adapters, projector and adapters, or all weights.
 *
 * A request is a list of samples to forget, with what the method needs beside it. Each step draws `batch` samples of
 * each role that the method needs: pictures and text in equal shares where both are there, each list in a fresh order
 * every epoch, drawn from the seed (purposes "unlearn.forget.text", "unlearn.forget.image", "unlearn.retain.…", seed + epoch).
 * Refusals and alternates go with the forget sample of the same place. phased: passes over the forget list and over
 * the retain list take turns. What the reference says of a sample is computed once and kept.
 * Divergence: Trainer.diverged, the last good weights stay (train.h). */
#ifndef PULSE_UNLEARN_UNLEARN_H
#define PULSE_UNLEARN_UNLEARN_H

#include "unlearn/method.h"

typedef struct {
    const Method *method;
    Hyperparameters v;
    size_t batch;                       // samples of each role in a step
    bool whole;                         // each step shows every list as it stands, once; `batch` is not looked at
    SampleList role[ROLE_COUNT];        // refusals and alternates: one for each forget sample
    Model *reference;                   // frozen; NULL when the method needs none
    int64_t before;                     // optimiser steps that were taken before this request
} UnlearnRequest;

typedef struct Unlearn Unlearn;         // an Objective's context: orders, what the reference said

/* A sentence when something is missing, empty or does not fit (but for the reference, which may come later). */
bool      unlearn_check(const UnlearnRequest *r, const Model *m, Error *e);
/* Checks the request; everything lives in the arena. */
Unlearn  *unlearn_make(const UnlearnRequest *r, Model *m, Arena *a, Error *e);
Objective unlearn_objective(Unlearn *u);
/* Whether the step that was taken last drew samples of this role. */
bool      unlearn_reads(const Unlearn *u, Role role);
/* After the last step. */
bool      unlearn_finish(Unlearn *u, Error *e);
/* Steps of one epoch: they show every forget sample once (retain sample, for a method that forgets nothing);
 * phased, every retain sample too. */
int64_t   unlearn_epoch(const UnlearnRequest *r);
/* The method without steps: edits the weights at once. */
bool      unlearn_edit(const UnlearnRequest *r, Model *m, Error *e);

/* Whether an adapter stands beside this weight. */
bool      weight_adapted(const Weight *w, const Lora *lora);
/* A frozen model that computes what `m` computes now, whatever becomes of m's trainable weights and adapters. Adapters that
 * are still zero are left out: the bits are the same. keep_merged: also when adapters are merged into m's weights. */
Model    *model_freeze(const Model *m, bool keep_merged, Arena *a, Error *e);

#endif
