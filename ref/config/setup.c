/* SPDX-License-Identifier: MIT */
#include "ref/config/setup.h"

#include <string.h>
#include "tensor/base/file.h"

/* Optimiser steps of relearning on general questions. */
enum { GENERAL_STEPS = 20 };

TrainConfig train_config(const Settings *s)
{
    int64_t hold = s->optimiser_hold > s->optimiser_warmup ? s->optimiser_hold : s->optimiser_warmup;
    return (TrainConfig){
        .steps = s->train_steps, .accumulate = s->train_accumulate,
        .checkpointing = s->train_checkpointing,
        .features = (size_t)s->model_memory << 20,
        .optimiser = {
            .kind = (OptimiserKind)s->optimiser_kind,
            .schedule = { (ScheduleKind)s->optimiser_schedule, s->optimiser_lr, s->optimiser_floor, s->optimiser_warmup, hold,
                          s->train_steps },
            .beta1 = s->optimiser_beta1, .beta2 = s->optimiser_beta2, .eps = s->optimiser_eps,
            .weight_decay = s->optimiser_weight_decay, .momentum = s->optimiser_momentum, .max_norm = s->optimiser_max_norm,
            .decay_matrices_only = s->optimiser_decay_matrices_only,
        },
    };
}

/* --- methods --- */

/* Values that were given override those of `v`. Then the settings get the values in force, and who set them. */
static void hyperparameters_settle(Settings *s, const Method *m, Hyperparameters *v)
{
#define HYPERPARAMETER(key, ...)                                                                              \
    if (s->given[SETTING_unlearn_##key])                                                                      \
        v->key = s->unlearn_##key;                                                                            \
    else                                                                                                      \
        s->from[SETTING_unlearn_##key] = hyperparameter_source(m, s->unlearn_preset, #key);                   \
    s->unlearn_##key = v->key;
#include "unlearn/hyperparameters.def"
#undef HYPERPARAMETER
}

/* unlearn.steps that were given override the epochs of a preset, and given unlearn.epochs override its steps. Giving
 * both is an error. A 0 counts as not given. */
static bool budget_check(Settings *s, Error *e)
{
    const bool steps = s->given[SETTING_unlearn_steps] && s->unlearn_steps;
    const bool epochs = s->given[SETTING_unlearn_epochs] && s->unlearn_epochs;
    if (steps && epochs)
        return error_set(e, "unlearn.steps is %lld and unlearn.epochs is %lld, expected one of them", (long long)s->unlearn_steps,
                         (long long)s->unlearn_epochs);
    if (epochs) {
        s->unlearn_steps = 0;
        s->from[SETTING_unlearn_steps] = s->from[SETTING_unlearn_epochs];
    }
    if (steps) {
        s->unlearn_epochs = 0;
        s->from[SETTING_unlearn_epochs] = s->from[SETTING_unlearn_steps];
    }
    return true;
}

bool settings_method(const Settings *s, const char *method, MethodSettings *out, Error *e)
{
    *out = (MethodSettings){ .settings = *s, .method = method_find(method) };
    if (!out->method)
        return error_set(e, "unlearn: there is no method %s, expected one of `pulse-ref list methods`", method);
    settings_for_method(&out->settings, method);
    const char *preset = out->settings.unlearn_preset;
    if (!hyperparameters_make(&out->v, out->method, preset, e))
        return false;
    for (size_t k = 0; *preset && k < presets_count; k++)
        if (strcmp(presets[k].preset, preset) == 0 && (strcmp(presets[k].method, "*") == 0 || strcmp(presets[k].method, method) == 0)
            && !settings_preset(&out->settings, presets[k].settings, "preset", e))
            return false;
    hyperparameters_settle(&out->settings, out->method, &out->v);
    out->settings.unlearn_method = out->method->name;
    return budget_check(&out->settings, e);
}

/* Whether the method reads a retain set. Without one nothing holds the method back, so the default lora.alpha is
 * smaller. */
static bool reads_retain(const char *method)
{
    const Method *m = method_find(method);
    Hyperparameters v;
    return m && hyperparameters_make(&v, m, "", NULL) && method_needs(m, &v) & NEEDS_RETAIN;
}

bool settings_unlearn(Settings *s, const char *method, Error *e)
{
    if (*s->unlearn_preset)
        return settings_preset(s, "unlearn.probe_every=0", "preset", e);
    const char *const from = "pulse-ref unlearn";
    return settings_preset(s, "train.trainable=llm train.steps=40 optimiser.lr=1e-4 lora.alpha=160", from, e)
        && (!reads_retain(method) || settings_preset(s, "lora.alpha=192", from, e))
        && (s->unlearn_epochs > 0 || (s->unlearn_steps ? s->unlearn_steps : s->train_steps) < 10
            || settings_preset(s, "optimiser.warmup=5", from, e));
}

void settings_seed(MethodSettings *m, uint64_t seed)
{
    m->settings.model_seed = m->settings.unlearn_seed = m->v.seed = (int64_t)seed;
}

bool settings_frozen_none(const Settings *s, Error *e)
{
    return !*s->lora_frozen
        || error_set(e, "%s: lora.frozen is read by `train`, `unlearn` and `trace` only, expected a model with these adapters merged",
                     s->file ? s->file : "--set");
}

bool settings_relearning(const Settings *s, uint64_t seed, MethodSettings *out, Error *e)
{
    if (!settings_frozen_none(s, e) || !settings_method(s, "retain_ft", out, e))
        return false;
    Settings *to = &out->settings;
    to->train_trainable = to->attack_trainable;
    to->optimiser_lr = to->attack_lr;
    to->unlearn_batch = to->attack_batch;
    to->unlearn_subspace = "";
    to->unlearn_steps = 0;
    to->unlearn_epochs = to->attack_epochs;
    to->unlearn_reset_optimiser = true;
    to->data_mask = MASK_ANSWER;
    settings_seed(out, seed);
    return true;
}

bool settings_relearning_general(const Settings *s, uint64_t seed, MethodSettings *out, Error *e)
{
    MethodSettings unlearning;
    if (!settings_frozen_none(s, e) || !settings_method(s, s->unlearn_method, &unlearning, e) || !settings_method(s, "retain_ft", out, e))
        return false;
    Settings *to = &out->settings;
    to->train_trainable = unlearning.settings.train_trainable;
    to->optimiser_lr = unlearning.settings.optimiser_lr;
    to->unlearn_subspace = "";
    to->unlearn_steps = GENERAL_STEPS;
    to->unlearn_epochs = 0;
    to->unlearn_reset_optimiser = true;
    to->data_mask = MASK_ANSWER;
    settings_seed(out, seed);
    return true;
}

/* --- rounds --- */

RoundsPlan rounds_plan(const MethodSettings *m, const RoundSamples *samples, Model *oracle)
{
    const Settings *s = &m->settings;
    TrainConfig train = train_config(s);
    if (s->unlearn_steps)
        train.steps = s->unlearn_steps;
    return (RoundsPlan){
        .method = m->method, .v = m->v, .batch = (size_t)s->unlearn_batch,
        .epochs = s->unlearn_steps ? 0 : s->unlearn_epochs, .train = train,
        .merge = (MergeRounds)s->unlearn_merge, .reset_optimiser = s->unlearn_reset_optimiser, .retain_shrinks = s->unlearn_retain_shrinks,
        .count = samples->rounds, .forget = samples->forget, .refusal = samples->refusal, .alternate = samples->alternate,
        .retain = samples->retain, .retain_only = oracle, .seed = (uint64_t)s->model_seed,
    };
}

bool method_wants_oracle(const MethodSettings *m)
{
    return method_needs(m->method, &m->v) & NEEDS_REFERENCE && m->v.reference == REFERENCE_RETAIN_ONLY;
}
