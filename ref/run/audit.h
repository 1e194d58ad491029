/* SPDX-License-Identifier: MIT */
/* Audit: computes a sample of a run's published files again, to check that they are the files that the run's config,
 * models and world give.
 *
 * The units are the stages of the manifest. A stage that trains and that kept checkpoints (protocol.checkpoints) is cut
 * at these into several units, the intervals; any other stage can only be computed again as a whole. An audit of 60 of
 * 100 units finds a single changed unit with probability 0.6; if 20 units are changed, it almost surely finds one.
 * These probabilities hold only if the seed is chosen after the manifest was published. The seed and the manifest's
 * `chain` decide the sample, so a cheat who knows the seed can try changes until no changed unit is drawn.
 * An audit certifies a computation. It says nothing about what a model still knows. */
#ifndef PULSE_REF_RUN_AUDIT_H
#define PULSE_REF_RUN_AUDIT_H

#include "ref/run/run.h"

/* --- sample.c --- */

/* Draws `sample` different units of 0 … units - 1, and returns them ascending. They are the first `sample` of
 * random_shuffle(0 … units - 1) with the purpose "audit". The shuffle's seed is the first 16 hex digits of
 * SHA-256(chain, a zero byte, `seed` in decimal, a zero byte). NULL: no memory. */
uint32_t *audit_sample(const char *chain, uint64_t seed, size_t units, size_t sample, Arena *a);
/* The probability that a sample has at least one of the changed units:
 * 1 - C(units - changed, sample) / C(units, sample). */
double audit_probability(size_t units, size_t changed, size_t sample);

/* --- audit.c --- */

typedef struct {
    size_t      stage;                   // of the plan
    Point       from, to;                // step 0: the beginning, or the end, of the stage
    const char *name;                    // "finetuned/ga/llm/seed0, round-1-step-25 to round-1-step-50"
    const char *different;               // what differs; NULL: everything is the same
} AuditUnit;

typedef struct {
    Run        *run;                     // with its plan; run->out is the folder of the audited run
    const char *out;                     // the units are computed again below this folder; results that differ stay there
    const char *chain;
    json_t     *outputs;                 // of each stage: its files, with their digests
    AuditUnit  *unit;                    // [units]
    size_t      units, different;        // different: how many units of the sample differ
    uint32_t   *sample;                  // [sampled] the indices of the units that are computed again
    size_t      sampled;
    const char *tables;                  // what differs in the tables that are made from the stages; NULL: nothing
} Audit;

/* Checks every link and digest of the manifest, and that it is the manifest of this plan; draws the sample. */
bool audit_begin(Audit *x, uint64_t seed, Error *e);
/* Makes the tables from the published stages, and compares them. */
bool audit_tables(Audit *x, Error *e);
/* Computes the unit sample[index] again, and compares it. */
bool audit_replay(Audit *x, size_t index, Error *e);
/* Removes what was computed again and is the same as what is published: stages and tables. */
void audit_end(Audit *x);

/* --- interval.c --- `outputs`: the files of one stage, with their digests. */

/* "round-1-step-25", or "step-25". */
const char *point_name(Point p, Arena *a);
/* The points at which a stage is cut, ascending: its kept checkpoints, except a checkpoint after
 * its last step. NULL: no memory. */
Point *interval_points(json_t *outputs, size_t *count, Arena *a);
/* Copies into `folder` the published files that a stage needs to continue from the point `from` to the point `to`. */
bool interval_begin(json_t *outputs, const char *published, const char *folder, Point from, Point to, Arena *a,
                    Error *e);
/* Whether the files that were made after `from` up to the kept checkpoint `to` are the published ones. False without
 * e->failed: `different` names the first file that is not. */
bool interval_same(json_t *outputs, const char *folder, Point from, Point to, char different[512], Arena *a, Error *e);

#endif
