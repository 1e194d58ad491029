/* SPDX-License-Identifier: MIT */
/* A tiny world: the model of tests/support/tiny.h, samples to forget and to retain, refusals, alternate answers, and
 * a plan of rounds. Half of the samples have a picture. The samples are a function of the seed; the weights are
 * always the same.
 *
 *     TinyWorld *w = tiny_world_make(check_seed());
 *     Rounds r;
 *     tiny_world_adapt(w, TRAIN_LLM);
 *     RoundsPlan p = tiny_world_plan(w, "npo", "beta=0.5", 2);       // two steps
 *     tiny_world_run(w, &r, &p);                                     // an error fails the running test
 *     rounds_close(&r);
 *     tiny_world_close(w); */
#ifndef PULSE_TESTS_SUPPORT_TINY_WORLD_H
#define PULSE_TESTS_SUPPORT_TINY_WORLD_H

#include "tensor/base/hash.h"
#include "tests/support/check.h"
#include "tests/support/tiny.h"
#include "unlearn/rounds.h"

enum { SAMPLES = 10, LONGEST = 32, FORGET = 4, RETAIN = 6 };

typedef struct {
    Error error;
    Arena arena;
    ModelConfig config;
    Weights weights;
    Lora lora;                  // the last of `adapters`
    Adapters adapters;
    Model model;
    int32_t ids[SAMPLES][LONGEST], targets[SAMPLES][LONGEST], other_ids[FORGET][LONGEST],
        other_targets[FORGET][LONGEST];
    BatchSample sample[SAMPLES];                         // 0 … 3 to forget, 4 … 9 to retain
    // refusals; the alternates are the same samples, moved on by one place
    BatchSample other[FORGET], alternate[FORGET];
} TinyWorld;

TinyWorld *tiny_world_make(uint64_t seed);
void   tiny_world_close(TinyWorld *w);
/* Makes the model, in which t is trained: new adapters of rank 3 or, with TRAIN_FULL, all weights. */
void   tiny_world_adapt(TinyWorld *w, Trainable t);
/* A plan of one round: AdamW with a learning rate of 1e-3 and batches of 3. `changes` are applied
 * to the method's hyperparameters. */
RoundsPlan tiny_world_plan(TinyWorld *w, const char *method, const char *changes, int64_t steps);
void   tiny_world_run(TinyWorld *w, Rounds *r, const RoundsPlan *p);
/* The digest of all weights and adapters. */
Digest tiny_world_digest(const TinyWorld *w);

#endif
