/* SPDX-License-Identifier: MIT */
/* Run: `pulse-ref run`, from a config to DIR/results.csv.
 *
 * Each stage of the plan is worked on in DIR/stages/<digest>/ by a process of its own (`--stage DIGEST`, which a
 * workflow engine calls to spread a run over machines). At most as many stages run side by side as there are threads.
 * A finished stage (it has a stage.json) is never run again. A process holds the lock of the stage that it works on;
 * DIR itself is locked only while the results are collected. A function that fails returns false or NULL, and `e` says
 * why. */
#ifndef PULSE_REF_RUN_RUN_H
#define PULSE_REF_RUN_RUN_H

#include "eval/protocol.h"
#include "eval/results.h"
#include "ref/config/session.h"

/* A point in a train or an unlearn stage: the moment after a step. The requests of an unlearn stage count from 1; a
 * train stage has request 0. step 0 means the beginning of the stage in a field `from`, and its end in `to` or
 * `until`. */
typedef struct { int64_t request, step; } Point;

typedef struct {
    Settings settings;
    Plan     plan;
    Dataset *group, general;             // the questions of each group (its path is NULL if no stage needs it), the general ones
    const char *out;                     // DIR
    bool     quiet, resume;              // resume: an interrupted stage goes on from its last checkpoint
    Point    until;                      // a train or unlearn stage stops at this kept checkpoint; step 0: it goes to its end
    Arena    arena;
} Run;

/* plan.c: reads the config's data and makes the plan. */
bool run_plan(Run *r, Error *e);
void run_close(Run *r);
/* Checks, before the first stage runs, that the given models can answer greedily, that the base model has the modules
 * that the cases train, and that unlearn.merge suits what trains in each case. */
bool run_models(const Run *r, Error *e);
/* The folder of a model: the given folder, or the folder of the stage that trains the model. */
const char *run_model(const Run *r, StartModel m, Arena *a);
const char *stage_folder(const Run *r, size_t stage, Arena *a);
/* The entities that each request of a case forgets, and those to be retained. If the scenario forgets those that the
 * base model knows best (WHO_BEST), the answers of this model are read. */
bool run_splits(const Run *r, const Case *c, Splits *s, Arena *a, Error *e);
/* The settings of a case's unlearn stage. trainable NULL: what train.trainable says. The number of steps comes from the
 * plan. */
bool run_method(const Run *r, const char *method, const char *trainable, uint64_t seed, MethodSettings *out, Error *e);

/* ends.c: how each request of an unlearn stage ended, in its steps.json. */
typedef struct {
    int64_t steps;                       // steps that were taken; 0 if the method edits the weights without a step
    int64_t last;                        // the step that names its last snapshot: `steps`, or more after a divergence or an edit
    const char *why;                     // what ended it: "accuracy" (the stopping rule), "method" or "diverged"; else "budget"
} RequestEnd;
bool ends_write(const char *folder, const RequestEnd *end, size_t count, Error *e);
/* Reads how all `requests` requests ended; NULL on failure. */
RequestEnd *run_ends(const Run *r, size_t stage, size_t requests, Arena *a, Error *e);

/* lock.c: waits until no other process, on any machine that shares the file system, works on the stage or collects. On
 * a file system without locks nobody waits. The lock of a stage is the file DIR/stages/<digest>.lock, that of
 * collecting is DIR/collect.lock. run_unlock removes the file; the system releases the lock of a process that dies. */
typedef struct {
    const char *path;
    int         file;
} RunLock;
bool run_lock(RunLock *l, const char *path, Error *e);
bool run_lock_stage(RunLock *l, const Run *r, size_t stage, Arena *a, Error *e);
bool run_lock_folder(RunLock *l, const Run *r, Arena *a, Error *e);
void run_unlock(RunLock *l);
/* Removes the lock files that killed processes have left beside the folders of stages. */
void run_locks_sweep(const Run *r);

/* foreign.c: true if the folder of a stage is missing, or holds nothing but what such a stage writes. */
bool stage_nothing_foreign(const Run *r, size_t stage, Error *e);
/* one.c: runs the stage with this digest, whose inputs must be finished; a finished stage is only checked. */
bool run_one(Run *r, const char *digest, Error *e);
/* The digest of the config and of all stages, by which a workflow names its plan. */
Digest run_plan_digest(const Run *r, Arena *a);
/* Whether the plan has this digest and all its stages are finished. */
bool run_all_finished(Run *r, const char *digest, Error *e);
/* workflow.c: writes FOLDER/Snakefile and FOLDER/README.md; `set` has the words of --set. It is an error if one of the
 * two is there already with another text. */
bool run_workflow(const Run *r, const char *folder, const OptionList *set, Error *e);

/* stage.c: runs one stage to its end, or up to r->until. */
bool run_stage(Run *r, size_t stage, Error *e);
/* unlearn.c: the unlearn stage. */
bool run_unlearn(Run *r, size_t stage, Error *e);
/* snapshot.c: opens the snapshot that the unlearn stage of a case took after a step of a request (from 0). The session
 * then has the weights of the snapshot. A snapshot of adapters alone is merged into the weights of the case's start
 * model, after the adapters of the earlier requests unless unlearn.merge is no. The caller makes the model by
 * session_model or session_train. */
bool run_snapshot(const Run *r, const Case *c, const RequestEnd *ends, size_t request, int64_t step, Session *x, Arena *a, Error *e);
/* routed.c, for a case where case_routed holds: asks the case's start model each question with the adapter of the
 * request that forgot the question's entity, or without an adapter if no request of 0 … last forgot it. A router
 * that is never wrong would choose so: the results are an upper bound for every router. They have the order of
 * evaluate's results; NULL: a failure. */
Result *run_ask_routed(const Run *r, const Case *c, const Splits *s, const RequestEnd *ends, size_t last, const Questions *q, Depth depth,
                       Arena *a, Error *e);
/* probe.c: the probe stage. */
bool run_probe(Run *r, size_t stage, Error *e);
/* rows.c: adds the metrics that are computed from the files of a probe stage; `row` holds the columns that these rows
 * share. The rows of this model begin at `first`; those of the oracle are oracle … oracle_end - 1 (none, if these are
 * equal). */
bool run_probe_rows(const Run *r, size_t stage, Rows *rows, Row row, const Splits *s, size_t first, size_t oracle,
                    size_t oracle_end, Arena *a, Error *e);
/* marks.c: the test questions that are marked for reporting (sample.h, "use"); count 0: no question is marked. */
typedef struct {
    const char **id;                     // in ascending order
    size_t count;
} Marks;
bool marks_read(Marks *m, const Run *r, Arena *a);
/* Adds the rows of the splits "unlearn_matching", "unlearn_reporting" and "general_reporting". The entities to be
 * forgotten that have exposure 64 also get the splits "exposure64_matching" and "exposure64_reporting"; the same
 * holds for each other exposure. Adds nothing if no question is marked. It is an error if one of the splits has no
 * question. `a` serves for scratch memory. */
bool marks_measure(const Marks *m, Rows *rows, Row row, const Splits *s, const char *general, const Result *r, size_t count, Arena *a,
                   Error *e);
/* collect.c: writes results.csv, results.jsonl, trajectory.csv, answers.jsonl and manifest.json. */
bool run_collect(Run *r, Error *e);
/* pool.c: runs every stage that is not finished, each in a process of its own; argv
 * holds the words of the command. */
typedef struct {
    double *seconds;                     // of each stage; below 0: it was finished before
    double  all;
} RunTimes;
bool run_pool(Run *r, int threads, int argc, char **argv, RunTimes *times, Error *e);

#endif
