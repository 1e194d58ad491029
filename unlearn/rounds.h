/* SPDX-License-Identifier: MIT */
/* Rounds: requests to forget that come one after another, each run to its end by one method.
 *
 *     Rounds r;
 *     rounds_make(&r, &plan, &model, &arena, &error);
 *     while (r.round < plan.count && round_begin(&r, &error)) {
 *         while (round_step(&r, &error))
 *             log(r.trainer.stats);
 *         if (!round_end(&r, &error)) break;           // r.diverged, r.note: the round stopped early
 *         evaluate(r.model);
 *     }
 *     rounds_close(&r);
 *
 * Between rounds (the defaults are MUSE's, whose script starts each round as a new process):
 * - reference (Hyperparameters): `round_start` is frozen anew when each round begins; `original` when the first does;
 * `retain_only` is given.
 * - merge = yes: adapters are merged into the weights (W' = RN(W + s sum B A)) when the next round begins, or by round_merge, and
 * start
 *   anew: A from seed + round, B zero. no: one adapter goes on through all rounds.
 * - reset_optimiser = yes: moments, step count and schedule begin anew. no: they go on; one schedule runs over all rounds.
 * - retain_shrinks = yes: what later rounds will forget still belongs to the retain set. no: the retain list is the same
 * in all rounds. Divergence (a loss or gradient norm that is not finite) ends the round: the weights of the last good
 * step stay, and the next round may begin. After checkpoint_load(&r.trainer, …) a round goes on where it stopped. One
 * round is the common case: count = 1. */
#ifndef PULSE_UNLEARN_ROUNDS_H
#define PULSE_UNLEARN_ROUNDS_H

#include "unlearn/unlearn.h"

typedef struct {
    const Method *method;
    Hyperparameters v;
    size_t batch;                       // samples of each role in a step
    int64_t epochs;                     // passes over a round's forget list; 0: train.steps says how many steps
    TrainConfig train;                  // steps and schedule are of one round; schedule.steps is set from the steps
    bool merge, reset_optimiser, retain_shrinks;
    size_t count;                       // rounds
    const SampleList *forget;           // one a round; NULL when the method needs none
    const SampleList *refusal, *alternate;  // one a round, as long as the round's forget list; NULL when not needed
    SampleList retain;
    Model *retain_only;                 // the frozen reference of reference = retain_only, else NULL
    uint64_t seed;                      // of adapters
} RoundsPlan;

typedef struct {
    RoundsPlan plan;
    Model   *model;
    Lora    *lora;                      // of the model; NULL: none
    Trainer  trainer;                   // of the present round
    Unlearn *unlearn;
    Objective objective;
    size_t   round;                     // rounds that ended
    int64_t  done, steps, before;       // steps of the present round, and of those before it where the optimiser goes on
    bool     running, diverged;         // diverged: in the last round that ran
    char     note[1024];                // the sentence of a divergence
    Model   *original;                  // frozen before the first round
    bool     unmerged;                  // adapters hold what a round has done
    Arena    arena;                     // of the round
    Arena   *all;                       // of all rounds
} Rounds;

/* `lora` is the model's own (model->lora), which rounds write to; NULL: none.
 * Fails on what a request may not be (unlearn.h), for any round. */
bool rounds_make(Rounds *r, const RoundsPlan *p, Model *m, Lora *lora, Arena *a, Error *e);
bool round_begin(Rounds *r, Error *e);
/* One optimiser step; false when the round is over, or failed (e), or diverged. */
bool round_step(Rounds *r, Error *e);
bool round_end(Rounds *r, Error *e);
/* Merges the adapters now and starts them anew. */
bool round_merge(Rounds *r, Error *e);
void rounds_close(Rounds *r);

#endif
