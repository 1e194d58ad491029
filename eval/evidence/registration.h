/* SPDX-License-Identifier: MIT */
/* Registration: what was written down before any base was run (fixtures/configs/prereg.ini). registration.def lists its
 * keys, and measures.def lists what a finding may measure.
 *
 * A finding compares arms. An arm is a model that forgets somebody; its numbers come from one run of `pulse-ref run`,
 * or from the ends of several runs. Errors begin with FILE:LINE; an unknown key, a missing key and a key that is given
 * twice are errors. All texts live in the arena. */
#ifndef PULSE_EVAL_EVIDENCE_REGISTRATION_H
#define PULSE_EVAL_EVIDENCE_REGISTRATION_H

#include <stdint.h>
#include "eval/evidence/verdict.h"
#include "tensor/base/arena.h"
#include "tensor/base/hash.h"

typedef enum {
#define MEASURE(name, arms, formula) MEASURE_##name,
#include "eval/evidence/measures.def"
#undef MEASURE
    MEASURES
} Measure;

typedef struct { const char *name; size_t arms; const char *formula; } MeasureInfo;
extern const MeasureInfo measure_info[MEASURES];

/* The most runs, splits and settings of an arm, arms of a finding, arms, findings, and words of a list. */
enum { ARM_RUNS = 4, ARM_SPLITS = 4, ARM_SETS = 8, FINDING_ARMS = 3, ARMS_MAX = 24, FINDINGS_MAX = 24, LISTED_MAX = 16 };

typedef struct {
    const char *name, *model, *scenario, *trainable, *reporting;
    const char *run[ARM_RUNS], *steps[ARM_RUNS];         // [runs]; of a single run, "100 ga_klr=250"; else one number each
    size_t      runs;
    const char *matching[ARM_SPLITS];
    size_t      splits;
    const char *set[ARM_SETS];                           // "section.key=value"
    size_t      sets;
    size_t      line;
} Arm;

typedef struct {
    const char *name, *says, *paper, *measured;
    Measure     measure;
    size_t      arm[FINDING_ARMS];                       // indices of arms; measure_info says how many there are
    double      threshold, delta;
    size_t      order;                                   // its place in the fixed order, from 1; 0: it has none
} Finding;

typedef struct {
    const char *path;
    Digest      digest;                                  // of the file's bytes
    int64_t     bases, snapshot_every;
    double      widest;
    uint64_t    seed[LISTED_MAX];
    const char *method[LISTED_MAX];
    double      level[LISTED_MAX];
    size_t      seeds, methods, levels;
    Arm         arm[ARMS_MAX];
    Finding     finding[FINDINGS_MAX];
    size_t      arms, findings, ordered;                 // ordered: how many findings are in the fixed order
} Registration;

bool registration_read(Registration *out, const char *path, Arena *a, Error *e);

/* The 64-bit seed of a base from 1 on, in 16 hex digits: the first 8 bytes of SHA-256(the file's bytes, then "base 3"
 * for base 3). Error: the file cannot be read, or its bytes are no longer those that registration_read read. */
bool registration_seed(const Registration *r, int64_t base, char hex[17], Error *e);

#endif
