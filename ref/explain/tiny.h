/* SPDX-License-Identifier: MIT */
/* Tiny: a model with two language layers that has learnt a few samples. A form of a method runs on it in a moment, so
 * the distance between two forms can be measured. All its data are functions of counters; no file is read.
 *
 *     Tiny t;
 *     Walk a, b;
 *     tiny_make(&t, &arena, &error);
 *     tiny_walk(&t, &form, &a, &arena, &error);          // two requests, one after another
 *     tiny_walk(&t, &other, &b, &arena, &error);
 *     walk_losses_apart(&a, &b), walk_updates_apart(&a, &b)
 *
 *     samples     four to be forgotten, in two requests of two samples each, and four to be retained; half of them have
 *                 a picture and 64 exposures, the others have neither
 *     begins      with the weights that have learnt all samples or, for retrain (NEEDS_BASE), with those that have
 *                 learnt nothing
 *     trained     the projector and adapters of rank 4. A method with an adapter for each request (ADAPTER_EACH) trains
 *                 the adapters alone, and a method that cannot work on adapters trains all weights
 *     optimiser   AdamW with learning rate 1e-3, in batches of 2, with 4 steps for each request
 *     reference   where it must not have seen the forget set, it has learnt the retained samples alone
 *     layer       a hyperparameter that names a layer beyond the last one means the last layer */
#ifndef PULSE_REF_EXPLAIN_TINY_H
#define PULSE_REF_EXPLAIN_TINY_H

#include "ref/explain/form.h"
#include "unlearn/rounds.h"

// TINY_PER_ROUND: forget samples of a request, and samples of a batch; TINY_STEPS: steps of a request
enum { TINY_ROUNDS = 2, TINY_PER_ROUND = 2, TINY_FORGET = TINY_ROUNDS * TINY_PER_ROUND, TINY_RETAIN = 4, TINY_STEPS = 4 };

typedef struct {
    ModelConfig config;
    Weights base, taught, retained;    // before anything was learnt; after all samples; after the retained ones alone
    /* The samples with their own answers (the forget samples first), and the forget samples with refusals and with
     * alternate answers. [0]: with data.mask = answer, [1]: with data.mask = all_text. */
    BatchSample sample[2][TINY_FORGET + TINY_RETAIN], refusal[2][TINY_FORGET], alternate[2][TINY_FORGET];
} Tiny;

bool tiny_make(Tiny *t, Arena *a, Error *e);

/* What a form does in both requests: the loss of every step, and the change of all weights in the end, with the
 * adapters merged. */
typedef struct {
    double loss[TINY_ROUNDS * TINY_STEPS];
    size_t steps;                      // how many losses there are; 0: the method has no steps
    double *change;                    // [count] new value minus old value, for every weight of the model
    size_t count;
} Walk;
bool tiny_walk(const Tiny *t, const Form *f, Walk *out, Arena *a, Error *e);

/* The distances of walk `b` from walk `a`. L_k and D are the losses and the change of `a`, L'_k and D' those of `b`.
 *     walk_losses_apart    sum |L_k - L'_k| / sum |L_k|, over the steps that both walks have
 *     walk_updates_apart   |D - D'| / |D|, with the Euclidean length |D|
 * Below 0: the divisor is 0. */
double walk_losses_apart(const Walk *a, const Walk *b);
double walk_updates_apart(const Walk *a, const Walk *b);

#endif
