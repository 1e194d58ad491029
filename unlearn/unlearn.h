/* SPDX-License-Identifier: MIT */
/* Unlearn: the one loop of all gradient methods. It trains adapters, the projector and adapters, or all weights.
 *
 * A request is a list of samples to forget, and the other lists that the method needs.
 * - epoch: an epoch of a list reads each of its samples once, in ceil(count / batch) steps. Each step reads the next
 *   `batch` samples. The last step of an epoch reads what is left, so a batch is never larger than its list. A list
 *   begins its next epoch when its own epoch ends.
 * - order: each epoch of a list has a new order, drawn from seed + epoch. Samples with a picture and samples without
 *   are spread evenly over the epoch: if a list has equally many of both, half of each batch of even size has a
 *   picture. order.c lists the purposes of these random numbers (tensor/base/random.h).
 * - other answers: refusals and alternates follow the order of the forget list. Number k is read in the step that
 *   comes to forget sample k. The role "random" has random_answers samples for each forget question of the step. Each
 *   is the question with the answer of a retain sample, drawn from seed + step (purpose "unlearn.random").
 * - schedule = joint: each step reads all lists that a step of the method ever reads (method_reads).
 * - schedule = phased: an epoch of the forget list and an epoch of the retain list take turns. After forget_epochs
 *   epochs of the forget list, only the retain list is read; with forget_epochs = 0 they always take turns.
 * - schedule = interleaved: one forget step and retain_steps retain steps take turns (hyperparameters.def says what
 *   retain_steps = 0 means). The epochs of the request are those of the retain list.
 * - A forget step reads all lists but the retain list. A method whose steps do not read both kinds of lists always has
 *   joint steps.
 *
 * The outputs of the reference model on a sample are computed once and kept. After a divergence (Trainer.diverged) the
 * model keeps its last good weights (model/training/train.h). */
#ifndef PULSE_UNLEARN_UNLEARN_H
#define PULSE_UNLEARN_UNLEARN_H

#include "unlearn/method.h"

typedef struct {
    const Method *method;
    Hyperparameters v;
    size_t batch;                       // how many samples of each list a step reads, at most
    bool whole;                         // a step reads all of a list, in the list's order; `batch` is ignored
    SampleList role[ROLE_COUNT];        // refusals and alternates have one sample for each forget sample
    Model *reference;                   // the frozen reference model; NULL when the method needs none
    int64_t before;                     // the steps of earlier requests if the optimiser continues, else 0
    size_t round;                       // from 0
    const TrainConfig *train;           // how all steps train, for hooks that read it; NULL: not known
    int64_t steps;                      // how many optimiser steps the request has, if `train` is known
    bool goes_on;                       // steps of this request were taken before this Unlearn was made
    const Lora *earlier;                // [round] the adapters of earlier rounds, if the method or unlearn.merge = live
                                        // needs them; NULL: none
    float *memory;                      // [METHOD_MEMORY] what the method keeps between steps (unlearn_commit); NULL:
                                        // it finds zeros at every step
} UnlearnRequest;

typedef struct Unlearn Unlearn;         // the context of an Objective: orders of lists, and outputs of the reference

/* Moves the forget samples without a picture to the role forget_text, if the method has this role and the role's list
 * is empty. The new lists are in `a`. False: no memory. */
bool      unlearn_split(UnlearnRequest *r, Arena *a);
/* Checks that the lists which the method needs are there and not empty, that no forget sample is a retain sample too,
 * and that the settings fit the model. A list of forget_text may be empty under TEXT_ASIDE. The reference is not
 * checked, so it may be given later. */
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
/* The number of steps in the first `epochs` epochs. Under schedule = joint an epoch reads every forget sample once, or
 * every retain sample if the method has no forget set. Under phased it reads both lists once, and after forget_epochs
 * the retain list alone. Under interleaved it reads the retain list once, with a forget step before each retain_steps
 * retain steps. */
int64_t   unlearn_steps(const UnlearnRequest *r, int64_t epochs);
/* Runs the `edit` hook of a method without steps, which changes the weights at once. */
bool      unlearn_edit(const UnlearnRequest *r, Model *m, Arena *a, Error *e);

/* Whether the weight has an adapter. */
bool      weight_adapted(const Weight *w, const Lora *lora);
/* The first module whose adapter is not zero, that is, whose B is not; NULL: there is none, or `l` is NULL. */
const char *lora_moved(const Lora *l);
/* The same for the last adapter alone, where `l` joins several (Lora.frozen). */
const char *lora_moved_last(const Lora *l);
/* Frozen copies of adapters, in `a`. False: no memory. */
bool      lora_copy(Lora *copy, const Lora *from, Arena *a);
/* A frozen copy of `m`. Its outputs stay as they are now, whatever happens to m's trainable weights and adapters
 * later. keep_merged: the outputs stay the same also when adapters are merged into m's weights. If all adapters are
 * still zero, the copy leaves them out, which changes no bit. */
Model    *model_freeze(const Model *m, bool keep_merged, Arena *a, Error *e);

#endif
