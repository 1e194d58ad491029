/* SPDX-License-Identifier: MIT */
/* Hyperparameters: the numbers and the named switches of a method. One value of the struct describes one published
 * form exactly.
 *
 *     Hyperparameters hyper;
 *     // the defaults, then the method's own values, then the preset's
 *     hyperparameters_make(&hyper, method_find("npo"), "mllmu_bench", &error);
 *     // one key of hyperparameters.def
 *     hyperparameters_set(&hyper, "beta", "0.1", &error);
 *
 * A preset (presets.def) is a public code as data: what it sets of a method's hyperparameters, and what it sets of a
 * run (learning rate, mask, rank, …), which ref/ applies. Reals are fp32. Functions that return bool leave a sentence
 * in `e` on failure. */
#ifndef PULSE_UNLEARN_HYPERPARAMETERS_H
#define PULSE_UNLEARN_HYPERPARAMETERS_H

#include "tensor/base/value.h"

/* One enum for each switch: its choices, in the order in which hyperparameters.def lists them. */
enum { NPO_SEQUENCE_SUM, NPO_BATCH_MEAN, NPO_RAW_LOGITS };
enum { REFERENCE_ROUND_START, REFERENCE_ORIGINAL, REFERENCE_RETAIN_ONLY };
enum { KL_SUPERVISED, KL_ALL_POSITIONS, KL_BATCH };
enum { KLR_KL, KLR_MUSE_RAW };
enum { STEPS_JOINT, STEPS_PHASED, STEPS_INTERLEAVED };
enum { ROWS_SHIFTED, ROWS_UNSHIFTED, ROWS_OF_ALL };
enum { KL_FORWARD, KL_REVERSE };
enum { MANU_PAPER, MANU_OFFICIAL, MANU_OPEN_MM, MANU_CMJU, MANU_PORT };
enum { SMFA_PAPER, SMFA_OPEN_MM };
enum { MIP_PAPER, MIP_OFFICIAL, MIP_OPEN_MM };
enum { FISHER_BATCH, FISHER_SAMPLE };
enum { FISHER_EPS_BOTH, FISHER_EPS_BELOW };
enum { ANSWERS_RANDOM, ANSWERS_REFUSAL };

typedef struct {
#define HYPERPARAMETER(key, TYPE, ...) FIELD_##TYPE key;
#include "unlearn/hyperparameters.def"
#undef HYPERPARAMETER
} Hyperparameters;

struct Method;

/* Sets the defaults of all keys, then the values of the method, then those of the preset. preset: NULL or "" for
 * none. */
bool hyperparameters_make(Hyperparameters *hyper, const struct Method *m, const char *preset, Error *e);
/* What sets a key: "preset" (which overrides the method), "method", or NULL where the default holds. */
const char *hyperparameter_source(const struct Method *m, const char *preset, const char *key);
/* Sets one key, which may be an older name. */
bool hyperparameters_set(Hyperparameters *hyper, const char *key, const char *value, Error *e);
/* Sets the keys of "beta=0.4 npo_ratio=batch_mean", one after another, up to the first that is refused. */
bool hyperparameters_apply(Hyperparameters *hyper, const char *assignments, Error *e);

/* The key of a name, which may be an older one (hyperparameter_aliases.def); NULL where there is no such key. */
const char *hyperparameter_key(const char *name);
/* The name that files of specification 1 (PULSE_SPEC in tensor/op.h) give to a key: the older one if there is one. */
const char *hyperparameter_recorded(const char *key);

/* Whether files of specification 1 state a key: the first 19 keys always, and a later key only where its value is not
 * the default. So a new key changes no file that was recorded before it. */
bool hyperparameter_stated(const Hyperparameters *hyper, const char *key);
/* Whether a key came after the first 19. */
bool hyperparameter_is_later(const char *key);

typedef struct {
    const char *preset, *method;      // method "*" means every method; its line comes before those of single methods
    const char *hyperparameters;      // "beta=0.4 npo_ratio=batch_mean"
    const char *settings;             // "optimiser.lr=2e-5 data.mask=all_text", for ref/
} Preset;

/* The values that a public code searches for one key. The preset of that code has one of them. The preset muse
 * is an exception: its value is the default of a script, which is not in the grid. */
typedef struct {
    const char *preset, *method;
    const char *key;                  // a hyperparameter, or "section.key" of a setting of the run
    const char *values;               // "0.6|0.9|1.2"
} Grid;

extern const Grid grids[];            // in the order of grids.def
extern const size_t grids_count;

extern const Preset presets[];        // in the order of presets.def
extern const size_t presets_count;
/* Whether there is a preset of this name. False leaves a sentence that lists the presets. */
bool preset_known(const char *name, Error *e);

#endif
