/* SPDX-License-Identifier: MIT */
/* Setup: makes from the settings what a command works with: a method with its hyperparameters, a training config, a
 * plan of rounds. */
#ifndef PULSE_REF_CONFIG_SETUP_H
#define PULSE_REF_CONFIG_SETUP_H

#include "model/training/stream.h"
#include "ref/config/settings.h"
#include "unlearn/rounds.h"

/* The settings in force for one method. Every setting unlearn.KEY of a hyperparameter is the value in `v`. */
typedef struct {
    Settings settings;
    const Method *method;
    Hyperparameters v;
} MethodSettings;

/* The settings of a method. The defaults are overridden by the method's values, these by those of unlearn.preset, and
 * these by what was given. */
bool settings_method(const Settings *s, const char *method, MethodSettings *out, Error *e);
/* Sets the defaults of `pulse-ref unlearn` for keys that were not given, if unlearn.preset is empty: adapters on the
 * language model, and few small steps. With a preset, which follows a public code, rounds have no probes unless
 * unlearn.probe_every is given. */
bool settings_unlearn(Settings *s, const char *method, Error *e);
/* Sets one seed for the adapters, the order of samples, and every draw of the method. */
void settings_seed(MethodSettings *m, uint64_t seed);
/* Fails where lora.frozen is given: runs and relearning work with one model that has no adapter beside its weights. */
bool settings_frozen_none(const Settings *s, Error *e);
/* The settings of relearning (the section [attack]): retain_ft on what was forgotten. Only the answer is supervised,
 * as in the metrics. */
bool settings_relearning(const Settings *s, uint64_t seed, MethodSettings *out, Error *e);
/* The settings of relearning on general questions: 20 steps of retain_ft with the learning rate and the trainable
 * weights of unlearn.method. */
bool settings_relearning_general(const Settings *s, uint64_t seed, MethodSettings *out, Error *e);

TrainConfig train_config(const Settings *s);

/* The samples of every round, ready for the model. */
typedef struct {
    size_t rounds;
    SampleList *forget, *refusal, *alternate;   // [rounds]; NULL: these samples are not needed
    SampleList  retain;
} RoundSamples;

/* Makes the plan of rounds from the settings of a method and its samples. `oracle` is the frozen reference model where
 * unlearn.reference is retain_only, else NULL. */
RoundsPlan rounds_plan(const MethodSettings *m, const RoundSamples *samples, Model *oracle);
/* Whether a method under these settings has the oracle as its reference. */
bool method_wants_oracle(const MethodSettings *m);

/* Which checkpoints of a training are kept, in OUT/step-<n>/: one after every `every` steps, and one after the last
 * step; `every` 0: none. The training stops after step `until`, without a result; `until` 0: it goes to its end. */
typedef struct { int64_t every, until; } KeptCheckpoints;
/* Does what `pulse-ref train` does: writes the model and log.jsonl into the folder `out`. `o` NULL: nothing is
 * printed. */
bool train_folder(const Settings *s, const char *out, bool resume, KeptCheckpoints kept, const Options *o, Arena *a,
                  Error *e);

#endif
