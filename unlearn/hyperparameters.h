/* SPDX-License-Identifier: MIT */
/* Hyperparameters: the hyper-parameters of every method and the named switches between what the public codes do.
 *
 *     Hyperparameters v;
 *     hyperparameters_make(&v, method_find("npo"), "mllmu_bench", &error);     // defaults, then the method's, then the preset's
 *     hyperparameters_set(&v, "beta", "0.1", &error);                          // one key of hyperparameters.def
 *
 * One Hyperparameters describes one published form exactly. A preset (presets.def) is a public code: what it sets of a method's
 * variants, and what it sets of a run (learning rate, mask, rank, …), which ref/ applies. Reals are fp32. */
#ifndef PULSE_UNLEARN_HYPERPARAMETERS_H
#define PULSE_UNLEARN_HYPERPARAMETERS_H

#include "tensor/base/value.h"

enum { NPO_SEQUENCE_SUM, NPO_BATCH_MEAN, NPO_RAW_LOGITS };
enum { REFERENCE_ROUND_START, REFERENCE_ORIGINAL, REFERENCE_RETAIN_ONLY };
enum { KL_SUPERVISED, KL_ALL_POSITIONS, KL_BATCH };
enum { KLR_KL, KLR_MUSE_RAW };
enum { STEPS_JOINT, STEPS_PHASED };

typedef struct {
#define HYPERPARAMETER(key, TYPE, ...) FIELD_##TYPE key;
#include "unlearn/hyperparameters.def"
#undef HYPERPARAMETER
} Hyperparameters;

struct Method;

/* preset NULL or "": none. */
bool hyperparameters_make(Hyperparameters *v, const struct Method *m, const char *preset, Error *e);
bool hyperparameters_set(Hyperparameters *v, const char *key, const char *value, Error *e);
/* "beta=0.4 npo_ratio=batch_mean" */
bool hyperparameters_apply(Hyperparameters *v, const char *assignments, Error *e);

typedef struct {
    const char *preset, *method;      // method "*": every method (stands before the method's own line)
    const char *variants;             // "beta=0.4 npo_ratio=batch_mean"
    const char *settings;             // "optimiser.lr=2e-5 data.mask=all_text": for ref/
} Preset;

extern const Preset presets[];        // in the order of presets.def
extern const size_t presets_count;
bool preset_known(const char *name, Error *e);        // a sentence that lists them, when it is not

#endif
