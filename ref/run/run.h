/* SPDX-License-Identifier: MIT */
/* Run: `pulse-ref run`, from a config to DIR/results.csv.
 *
 * The plan's stages are worked through in DIR/stages/<digest>/, each by a process of its own (`--stage DIGEST`, also for people who
 * spread a run over machines), as many side by side as there are threads. A finished stage (stage.json) is never run again. */
#ifndef PULSE_REF_RUN_RUN_H
#define PULSE_REF_RUN_RUN_H

#include "eval/protocol.h"
#include "eval/results.h"
#include "model/training/dataset.h"
#include "ref/config/settings.h"

typedef struct {
    Settings settings;
    Plan     plan;
    Dataset *group, general;             // questions, of each group of the world; not read for a group that nothing asks about: path NULL
    const char *out;
    bool     quiet, resume;
    Arena    arena;
} Run;

/* run_plan.c: reads the config's data and makes the plan. */
bool run_plan(Run *r, Error *e);
void run_close(Run *r);
/* Whether the modules that its cases train are in the model: rather asked before the first stage than in the middle. */
bool run_trainables(const Run *r, Error *e);
/* Folder of a model: given, or of the stage that trains it. */
const char *run_model(const Run *r, StartModel m, Arena *a);
const char *stage_folder(const Run *r, size_t stage, Arena *a);
/* Who is forgotten in a case; reads the ranking where there is one. */
bool run_splits(const Run *r, const Case *c, Splits *s, Arena *a, Error *e);

/* run_ends.c: how each request of an unlearn stage ended, in its steps.json. */
typedef struct {
    int64_t steps;                       // taken; fewer than `last` where it diverged
    int64_t last;                        // its last snapshot is named by this step
    const char *why;                     // "budget", "accuracy", "diverged"
} RequestEnd;
bool ends_write(const char *folder, const RequestEnd *end, size_t count, Error *e);
RequestEnd *run_ends(const Run *r, size_t stage, size_t requests, Arena *a, Error *e);

/* run_stage.c: one stage, to its end. */
bool run_stage(Run *r, size_t stage, Error *e);
/* run_unlearn.c: the unlearn stage. */
bool run_unlearn(Run *r, size_t stage, Error *e);
/* run_snapshot.c: the weights after a step of a request of a case: those that the case starts from, and what its unlearn stage made of them. */
bool run_snapshot(const Run *r, const Case *c, const RequestEnd *ends, size_t request, int64_t step, Weights *w, ModelConfig *config, Arena *a, Error *e);
/* run_probe.c: the probe stage. */
bool run_probe(Run *r, size_t stage, Error *e);
/* run_rows.c: its files as rows like `row`; `first`: where this model's rows begin, oracle … oracle_end - 1: those of the oracle (none: equal). */
bool run_probe_rows(const Run *r, size_t stage, Rows *rows, Row row, const Splits *s, size_t first, size_t oracle, size_t oracle_end, Arena *a, Error *e);
/* run_collect.c: all that a run leaves besides its stages. */
bool run_collect(Run *r, Error *e);
/* run_pool.c: every stage that is not finished, by processes of this program. `words` are the words of the command. */
typedef struct {
    double *seconds;                     // of each stage; < 0: it was finished before
    double  all;
} RunTimes;
bool run_pool(Run *r, int threads, int argc, char **argv, RunTimes *times, Error *e);

#endif
