/* SPDX-License-Identifier: MIT */
/* Unlearn: the one loop of all gradient methods. It trains adapters, the projector and adapters, or all weights.
 *
 * A request is a list of samples to forget, and the other lists that the method needs. An epoch of a list reads each of
 * its samples once, in ceil(count / batch) steps: each step reads the next `batch` samples of each role, and the last
 * step of an epoch reads what is left, so that a batch is never larger than its list. Samples with a picture and
 * samples without are spread evenly over the epoch: where a list has equally many of both, half of each batch has a
 * picture. Each epoch has a new order of each list, drawn from seed + epoch (purposes "unlearn.forget.text",
 * "unlearn.forget.image", "unlearn.retain.text", "unlearn.retain.image", "unlearn.forget_text.text"). A list begins its
 * next epoch when its own epoch ends. A refusal or an alternate is read together with the forget sample of the same
 * index. The role "random" has, for each forget question of the step, random_answers samples: the question with the
 * answer of a retain sample, drawn from seed + step (purpose "unlearn.random"). With schedule = joint each step reads
 * all lists. With schedule = phased, an epoch of the forget list and an epoch of the retain list take turns, and after
 * forget_epochs of them the retain list alone is read. With schedule = interleaved, a forget step and retain_steps
 * retain steps take turns; an epoch is one of the retain list. The outputs of the reference model on a sample are
 * computed once and kept. After a divergence (Trainer.diverged) the model keeps its last good weights (model/training/train.h). */
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
    size_t round;                       // from 0
    const TrainConfig *train;           // of all steps; NULL where a single step is taken
    int64_t steps;                      // how many optimiser steps the request has
    bool goes_on;                       // steps of this request were taken before it was made
    const Lora *earlier;                // [round] the adapters of the rounds before, where the method needs them, else NULL
    float *memory;                      // [METHOD_MEMORY] what the method keeps between steps (unlearn_commit); NULL: zeros at every step
} UnlearnRequest;

typedef struct Unlearn Unlearn;         // the context of an Objective: the orders of the lists, and the outputs of the reference

/* Moves the forget samples without a picture to the role forget_text, where the method has that role and its list is
 * empty. The new lists are in `a`. */
bool      unlearn_split(UnlearnRequest *r, Arena *a);
/* Checks that everything the method needs is there, not empty, and fits the model. Only the reference may be given
 * later. */
bool      unlearn_check(const UnlearnRequest *r, const Model *m, Error *e);
/* Checks the request and prepares the loop. Everything lives in the arena. NULL: the request is refused, or memory ran
 * out. */
Unlearn  *unlearn_make(const UnlearnRequest *r, Model *m, Arena *a, Error *e);
Objective unlearn_objective(Unlearn *u);
/* Writes what the method keeps of a step into the request's `memory`. Call it after the step has succeeded. */
void      unlearn_commit(const Unlearn *u);
/* The reason why the method ends the request early, as a sentence in the arena of `u`; NULL: it continues. */
const char *unlearn_stop(const Unlearn *u);
/* Whether the last step read samples of this role. */
bool      unlearn_reads(const Unlearn *u, Role role);
/* Runs the `finish` hook of the method. Call it after the last step. */
bool      unlearn_finish(Unlearn *u, Error *e);
/* The number of steps of the first n epochs. An epoch reads every forget sample once, or every retain sample where the
 * method has no forget set. The schedules phased and interleaved, which are explained above, read more. */
int64_t   unlearn_steps(const UnlearnRequest *r, int64_t epochs);
/* Runs the `edit` hook of a method without steps, which changes the weights at once. */
bool      unlearn_edit(const UnlearnRequest *r, Model *m, Arena *a, Error *e);

/* Whether the weight has an adapter. */
bool      weight_adapted(const Weight *w, const Lora *lora);
/* The first module whose adapter is not zero; NULL: there is none, or `l` is NULL. */
const char *lora_moved(const Lora *l);
/* The same of the last adapter alone, where `l` is several (Lora.frozen). */
const char *lora_moved_last(const Lora *l);
/* Frozen copies of adapters, in `a`. False: no memory. */
bool      lora_copy(Lora *copy, const Lora *from, Arena *a);
/* A frozen model with the outputs that `m` has now, whatever happens to m's trainable weights and adapters later.
 * Adapters that are still zero are left out, which changes no bit. keep_merged: the outputs also stay when
 * adapters are merged into m's weights. */
Model    *model_freeze(const Model *m, bool keep_merged, Arena *a, Error *e);

#endif
