/* SPDX-License-Identifier: MIT */
/* Run: `pulse-ref run`, from a config to DIR/results.csv.
 *
 * Each stage of the plan is worked on in DIR/stages/<digest>/ by a process of its own (`--stage DIGEST`, which a
 * workflow engine calls to spread a run over machines); as many run side by side as there are threads. A finished stage
 * (it has a stage.json) is never run again. A process holds the lock of the stage that it works on, and only collecting
 * locks DIR. All functions return false on failure, and then `e` says why. */
#ifndef PULSE_REF_RUN_RUN_H
#define PULSE_REF_RUN_RUN_H

#include "eval/protocol.h"
#include "eval/results.h"
#include "ref/config/session.h"

/* A point of a stage that trains: after a step of a request, or of a training, whose request is 0. step 0: its beginning
 * or its end. */
typedef struct { int64_t request, step; } Point;

typedef struct {
    Settings settings;
    Plan     plan;
    Dataset *group, general;             // questions, of each group of the world; not read for a group that nothing asks about: path NULL
    const char *out;
    bool     quiet, resume;
    Point    until;                      // a stage that trains stops at this kept checkpoint; step 0: it goes to its end
    Arena    arena;
} Run;

/* plan.c: reads the config's data and makes the plan. */
bool run_plan(Run *r, Error *e);
void run_close(Run *r);
/* Whether the given models can be asked for greedy answers, and have the modules that the cases train: asked before the
 * first stage rather than in the middle of a run. */
bool run_models(const Run *r, Error *e);
/* The folder of a model: a given one, or that of the stage that trains it. */
const char *run_model(const Run *r, StartModel m, Arena *a);
const char *stage_folder(const Run *r, size_t stage, Arena *a);
/* Who is forgotten in a case; reads the ranking of the base model's answers where the scenario has one. */
bool run_splits(const Run *r, const Case *c, Splits *s, Arena *a, Error *e);
/* The settings of a case's unlearn stage. trainable NULL: what train.trainable says. The number of steps comes from the
 * plan. */
bool run_method(const Run *r, const char *method, const char *trainable, uint64_t seed, MethodSettings *out, Error *e);

/* ends.c: how each request of an unlearn stage ended, in its steps.json. */
typedef struct {
    int64_t steps;                       // steps that were taken; fewer than `last` after a divergence
    int64_t last;                        // the step that names its last snapshot
    const char *why;                     // "budget", "accuracy", "method", "diverged"
} RequestEnd;
bool ends_write(const char *folder, const RequestEnd *end, size_t count, Error *e);
/* `requests` of them, in the arena; NULL on failure. */
RequestEnd *run_ends(const Run *r, size_t stage, size_t requests, Arena *a, Error *e);

/* lock.c: waits until no other process of the machines that share the file system works on a stage, or collects. The
 * lock is the file beside the folder, DIR/stages/<digest>.lock, or DIR/collect.lock; a process that dies gives it back.
 * run_unlock removes the file. */
typedef struct {
    const char *path;
    int         file;
} RunLock;
bool run_lock(RunLock *l, const char *path, Error *e);
bool run_lock_stage(RunLock *l, const Run *r, size_t stage, Arena *a, Error *e);
bool run_lock_folder(RunLock *l, const Run *r, Arena *a, Error *e);
void run_unlock(RunLock *l);
/* Removes the lock files of stages that a killed process left. */
void run_locks_sweep(const Run *r);

/* foreign.c: whether the folder of a stage, if it is there, holds nothing but what such a stage writes. */
bool stage_foreign(const Run *r, size_t stage, Error *e);
/* one.c: runs the stage with this digest, whose inputs must be finished; a finished one is only checked. */
bool run_one(Run *r, const char *digest, Error *e);
/* The digest of the config and of all stages: a workflow's plan. */
Digest run_plan_digest(const Run *r, Arena *a);
/* Whether the plan has this digest and all its stages are finished. */
bool run_all_finished(Run *r, const char *digest, Error *e);
/* workflow.c: writes FOLDER/Snakefile and FOLDER/README.md; `set` has the words of --set. A Snakefile that says
 * something else stays. */
bool run_workflow(const Run *r, const char *folder, const OptionList *set, Error *e);

/* stage.c: runs one stage to its end. */
bool run_stage(Run *r, size_t stage, Error *e);
/* unlearn.c: the unlearn stage. */
bool run_unlearn(Run *r, size_t stage, Error *e);
/* snapshot.c: opens the snapshot that the unlearn stage of a case took after a step of a request. The session then has
 * the weights of the snapshot, or, where it holds adapters, those of the case's start with the adapters merged into
 * them. The caller makes the model by session_model or session_train. */
bool run_snapshot(const Run *r, const Case *c, const RequestEnd *ends, size_t request, int64_t step, Session *x, Arena *a, Error *e);
/* routed.c: asks, where case_routed holds, each question of the case's start with the adapter of the request that forgot the question's
 * entity, and without an adapter where none of the requests up to `last` did. So a router answers that is never wrong, which is an upper
 * bound for any other. The results are as those of evaluate; NULL: a failure. */
Result *run_ask_routed(const Run *r, const Case *c, const Splits *s, const RequestEnd *ends, size_t last, const Questions *q, Depth depth,
                       Arena *a, Error *e);
/* probe.c: the probe stage. */
bool run_probe(Run *r, size_t stage, Error *e);
/* rows.c: adds the metrics that are computed from the files of a probe stage, as rows like `row`. The rows of this
 * model begin at `first`; those of the oracle are oracle … oracle_end - 1 (none, if these are equal). */
bool run_probe_rows(const Run *r, size_t stage, Rows *rows, Row row, const Splits *s, size_t first, size_t oracle,
                    size_t oracle_end, Arena *a, Error *e);
/* marks.c: the test questions that are marked for reporting (sample.h, "use"); count 0: none is. */
typedef struct {
    const char **id;                     // in ascending order
    size_t count;
} Marks;
bool marks_read(Marks *m, const Run *r, Arena *a);
/* Adds the rows of the splits "unlearn_matching", "unlearn_reporting" and "general_reporting", and of "exposure64_matching" and
 * "exposure64_reporting" for those who are to be forgotten and whose exposure is 64; nothing where nothing is marked. Memory that is not
 * needed afterwards is taken from `a`. Error: one of the splits has no question. */
bool marks_measure(const Marks *m, Rows *rows, Row row, const Splits *s, const char *general, const Result *r, size_t count, Arena *a,
                   Error *e);
/* collect.c: writes all that a run leaves besides its stages. */
bool run_collect(Run *r, Error *e);
/* pool.c: runs every stage that is not finished, by processes of this program; argv holds the words of the command. */
typedef struct {
    double *seconds;                     // of each stage; below 0: it was finished before
    double  all;
} RunTimes;
bool run_pool(Run *r, int threads, int argc, char **argv, RunTimes *times, Error *e);

#endif
