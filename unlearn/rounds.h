/* SPDX-License-Identifier: MIT */
/* Rounds: requests to forget that come one after another, each run to its end by one method.
 *
 *     Rounds r;
 *     rounds_make(&r, &plan, &model, &adapters, &arena, &error);
 *     while (r.round < plan.count && round_begin(&r, &error)) {
 *         while (round_step(&r, &error))
 *             log(r.trainer.stats);
 *         if (!round_end(&r, &error)) break;           // r.diverged, r.note: the round stopped early
 *         evaluate(r.model);
 *     }
 *     rounds_close(&r);
 *
 * The plan chooses what happens between two rounds. The defaults are those of MUSE, whose script starts each round as a
 * new process.
 * - reference (Hyperparameters). `round_start`: the reference model is a frozen copy from the beginning of each round.
 *   `original`: it is a frozen copy from before the first round. `retain_only`: the caller gives it.
 * - merge (MergeRounds). MERGE_YES: when the next round begins, or at round_merge, the adapter is merged into the weights,
 *   W' = RN(W + s sum B A), and a new one is started: A is drawn from seed + round, and B is zero.
 *   MERGE_NO: one adapter goes on through all rounds.
 *   MERGE_LIVE: the adapter is frozen and stays live, and a new one is started behind it (adapters.h). Only adapters may be
 *   trained then, and reset_optimiser must be yes.
 *   A method with ADAPTER_EACH starts each round with a new adapter beside the first weights. What is trained itself (the
 *   projector of train.trainable = proj+llm) starts each round with its first numbers as well. MERGE_YES: round_merge merges
 *   the adapters of all rounds, one after another; nothing may be trained itself. MERGE_NO: the caller saves each adapter
 *   before the next round. MERGE_LIVE is refused.
 * - reset_optimiser = yes: each round begins with new moments, a new step count and a new schedule.
 *   reset_optimiser = no: they go on, and one schedule runs over all rounds.
 * - retain_shrinks = yes: the retain list of a round still holds what later rounds will forget.
 *   retain_shrinks = no: the retain list is the same in all rounds.
 * - subspace: the change of every matrix stays inside or outside a given space (subspace.h). Only adapters may be trained then.
 *
 * A round ends early when it diverges (a loss or a gradient norm is not finite), and where its method says so (Method.stop). The
 * weights of the last good step stay, and the next round may begin. After checkpoint_load(&r.trainer, …) a round goes on where it
 * stopped. A single request is count = 1. */
#ifndef PULSE_UNLEARN_ROUNDS_H
#define PULSE_UNLEARN_ROUNDS_H

#include "model/lora/adapters.h"
#include "unlearn/subspace.h"
#include "unlearn/unlearn.h"

/* What becomes of the adapter of a round when the next one begins; in the order of the choices of unlearn.merge. */
typedef enum { MERGE_NO, MERGE_YES, MERGE_LIVE } MergeRounds;

typedef struct {
    const Method *method;
    Hyperparameters v;
    size_t batch;                       // samples of each role in a step, at most
    int64_t epochs;                     // epochs of a round (unlearn_steps); 0: train.steps is the number of steps
    TrainConfig train;                  // steps and schedule of one round; schedule.steps is set from the steps
    MergeRounds merge;
    bool reset_optimiser, retain_shrinks;
    size_t count;                       // how many rounds
    const SampleList *forget;           // [count]; NULL when the method needs none
    const SampleList *refusal, *alternate;  // [count], each as long as the forget list of its round; NULL when not needed
    SampleList retain;
    Model *retain_only;                 // the frozen reference of reference = retain_only, else NULL
    const Subspace *subspace;           // the factors of the adapters are projected by it; NULL: they are free
    uint64_t seed;                      // the seed of the adapters
} RoundsPlan;

typedef struct {
    RoundsPlan plan;
    Model   *model;
    Adapters *adapters;                 // of the model; the last one trains; NULL: it has none
    Trainer  trainer;                   // the trainer of the present round
    Unlearn *unlearn;
    Objective objective;
    size_t   round;                     // how many rounds have ended
    int64_t  done, steps;               // the steps of the present round: how many are done, and how many there will be
    int64_t  before;                    // the steps of the rounds before, where the optimiser goes on
    bool     running, diverged;         // diverged: the last round that ran has diverged
    bool     stopped;                   // the method ended the last round before its steps were over
    char     note[1024];                // the sentence about a divergence or an early end
    Model   *original;                  // the model, frozen before the first round
    float  **first;                     // [weights] under ADAPTER_EACH what is trained itself, before the first round
    Lora    *earlier;                   // [round] the adapters of the rounds before, where the method or MERGE_LIVE needs them
    bool     unmerged;                  // the adapter holds the changes of a round, and nothing has become of it yet
    Arena    arena;                     // lives as long as the round
    Arena   *all;                       // lives as long as all rounds
} Rounds;

/* model->lora is adapters_live(adapters). The rounds train the last adapter and may add others; with count 0 the model
 * has none. False: the request of a round is refused (unlearn_check says for which reasons), or memory ran out. */
bool rounds_make(Rounds *r, const RoundsPlan *p, Model *m, Adapters *adapters, Arena *a, Error *e);
bool round_begin(Rounds *r, Error *e);
/* Takes one optimiser step. False: the round is over, which the method may have decided (r->stopped), or it has
 * diverged (r->diverged), or it has failed (e). */
bool round_step(Rounds *r, Error *e);
bool round_end(Rounds *r, Error *e);
/* Merges the adapter now (under ADAPTER_EACH those of all rounds, once), and starts a new one. Fails under MERGE_LIVE. */
bool round_merge(Rounds *r, Error *e);
void rounds_close(Rounds *r);

#endif
