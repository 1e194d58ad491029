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
 * The plan chooses what happens between two rounds. The defaults of the config are those of MUSE, whose script starts
 * each round as a new process.
 * - reference (Hyperparameters). `round_start`: the reference model is a frozen copy from the beginning of each round.
 *   `original`: it is a frozen copy from before the first round. `retain_only`: the caller gives it.
 * - merge (MergeRounds):
 *     MERGE_YES   when the next round begins, or at round_merge, the adapter is merged into the weights,
 *                 W' = RN(W + s sum B A), and a new one is started: A is drawn from seed + round, and B is zero
 *     MERGE_NO    the same adapter trains in all rounds
 *     MERGE_LIVE  a frozen copy of the adapter stays live, and a new adapter trains beside it (adapters.h). Only
 *                 adapters may train, and reset_optimiser must be yes
 * - A method with ADAPTER_EACH starts each round with a new adapter and the weights from before the first round. These
 *   include weights that train without an adapter (the projector of train.trainable = proj+llm). Its choices of merge:
 *     MERGE_YES   round_merge merges the adapters of all rounds, one after another. If there are several rounds, only
 *                 adapters may train
 *     MERGE_NO    the caller saves each adapter before the next round. If there are several rounds, the model must have
 *                 adapters
 *     MERGE_LIVE  is refused
 * - reset_optimiser = yes: each round begins with new moments, a new step count and a new schedule.
 *   reset_optimiser = no: these continue, and one schedule runs over all rounds.
 * - retain_shrinks = yes: the retain list of a round still holds what later rounds will forget.
 *   retain_shrinks = no: the retain list is the same in all rounds.
 * - subspace: the change of every matrix stays inside or outside a given space (subspace.h). Only adapters may be
 *   trained then.
 *
 * A round ends early when it diverges (a loss, a gradient norm or a weight is not finite), or when its method says so
 * (Method.stop). The weights of the last good step stay, and the next round may begin. After
 * checkpoint_load(&r.trainer, …) a round continues where it stopped. For a single request, count is 1. */
#ifndef PULSE_UNLEARN_ROUNDS_H
#define PULSE_UNLEARN_ROUNDS_H

#include "model/lora/adapters.h"
#include "unlearn/subspace.h"
#include "unlearn/unlearn.h"

/* What becomes of the adapter of a round when the next round begins; in the order of the choices of unlearn.merge. */
typedef enum { MERGE_NO, MERGE_YES, MERGE_LIVE } MergeRounds;

typedef struct {
    const Method *method;
    Hyperparameters v;
    size_t batch;                       // how many samples of each list a step reads, at most
    int64_t epochs;                     // epochs of a round (unlearn_steps); 0: train.steps is the number of steps
    TrainConfig train;                  // its steps are those of one round; the rounds set its schedule.steps
    MergeRounds merge;
    bool reset_optimiser, retain_shrinks;
    size_t count;                       // how many rounds
    const SampleList *forget;           // [count]; NULL when the method needs none
    const SampleList *refusal, *alternate;  // [count] lists, with a sample for each forget sample; NULL when not needed
    SampleList retain;
    Model *retain_only;                 // the frozen reference model under reference = retain_only, else NULL
    const Subspace *subspace;           // it projects the factors of the adapters; NULL: they are not projected
    uint64_t seed;                      // the seed of the adapters
} RoundsPlan;

typedef struct {
    RoundsPlan plan;
    Model   *model;
    Adapters *adapters;                 // the adapters of the model, of which the last one trains; NULL: it has none
    Trainer  trainer;                   // the trainer of the present round
    Unlearn *unlearn;
    Objective objective;
    size_t   round;                     // how many rounds have ended
    int64_t  done, steps;               // the steps of the present round: how many are done, and how many there will be
    int64_t  before;                    // the steps of earlier rounds if the optimiser continues, else 0
    bool     running;                   // a round has begun and not ended
    bool     diverged;                  // the last round that ran has diverged
    bool     stopped;                   // the method ended the last round before its steps were over
    char     note[1024];                // the sentence about a divergence or an early end
    Model   *original;                  // the model, frozen before the first round
    float  **first;                     // [weights] copies of the trained weights from before the first round, if
                                        // ADAPTER_EACH needs them; otherwise NULL. NULL for a weight that is frozen
    Lora    *earlier;                   // [round] the adapters of earlier rounds, for MERGE_LIVE or NEEDS_EARLIER
    bool     unmerged;                  // the adapter holds the changes of a round: not yet merged, frozen or renewed
    Arena    arena;                     // lives as long as the round
    Arena   *all;                       // lives as long as all rounds
} Rounds;

/* Whether the weights and adapters that train suit the plan: its `merge`, `reset_optimiser` and `subspace`. rounds_make
 * checks this before it reads any list of samples. */
bool rounds_check(const RoundsPlan *p, const Model *m, const Adapters *adapters, Error *e);
/* model->lora must be adapters_live(adapters). The rounds train the last adapter and may add others. With
 * adapters->count 0 the model has no adapter. False: there are 0 rounds, rounds_check refuses the plan, unlearn_check
 * refuses the request of a round, the model of reference = retain_only is missing, or memory ran out. */
bool rounds_make(Rounds *r, const RoundsPlan *p, Model *m, Adapters *adapters, Arena *a, Error *e);
/* Prepares the adapter for the next round, as `merge` or ADAPTER_EACH says. round_begin calls it, too; then it does
 * nothing if the caller has called it already. A caller who copies or measures the model before the round calls it
 * first. */
bool round_next(Rounds *r, Error *e);
bool round_begin(Rounds *r, Error *e);
/* Takes one optimiser step. False: the round is over. All steps are done, the method ended it (r->stopped), it has
 * diverged (r->diverged), or it has failed (e). */
bool round_step(Rounds *r, Error *e);
bool round_end(Rounds *r, Error *e);
/* Merges the adapter now, and starts a new one. Under ADAPTER_EACH it merges the adapters of all rounds; call it
 * once. Error: several rounds under MERGE_LIVE. */
bool round_merge(Rounds *r, Error *e);
void rounds_close(Rounds *r);

#endif
