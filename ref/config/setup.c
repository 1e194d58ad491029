/* SPDX-License-Identifier: MIT */
#include "ref/config/setup.h"

#include <string.h>
#include "tensor/base/file.h"

bool model_load(const char *folder, ModelConfig *c, Weights *w, Arena *a, Error *e)
{
    return config_load(c, folder, e) && weights_load(w, folder, c, a, e);
}

bool model_open(const Settings *s, ModelConfig *c, Weights *w, const char **reader_folder, Arena *a, Error *e)
{
    const char *path = settings_path(s, s->model_path), *config = settings_path(s, s->model_config);
    size_t size;
    *reader_folder = *path ? path : settings_path(s, s->data_world);
    if (*path)
        return settings_input(s, "model.path", s->model_path, e) && model_load(path, c, w, a, e);
    if (!*config)
        return error_set(e, "%s: neither model.path nor model.config is given, expected one of them", s->file);
    char *text = settings_input(s, "model.config", s->model_config, e) ? file_read(config, 1 << 20, &size, a, e) : NULL;
    return text && config_parse(c, text, size, config, e) && weights_make(w, c, (uint64_t)s->model_seed, a, e);
}

bool train_targets(const Settings *s, Weights *w, Lora *lora, bool *adapters, Arena *a, Error *e)
{
    Trainable t;
    if (!trainable_parse(s->train_trainable, &t)) {
        *adapters = false;
        return weights_train(w, s->train_trainable, e)
            || settings_blame(s, s->train_trainable == s->attack_trainable ? "attack.trainable" : "train.trainable", e);   // relearning lends its own
    }
    *adapters = t != TRAIN_FULL;
    LoraConfig c = { .rank = s->lora_rank, .alpha = s->lora_alpha, .rslora = s->lora_rslora, .targets = *s->lora_targets ? s->lora_targets : NULL };
    return trainable_set(w, t, e) && (!*adapters || lora_make(lora, w, c, (uint64_t)s->model_seed, a, e) || settings_blame(s, "[lora]", e));
}

TrainConfig train_config(const Settings *s)
{
    int64_t hold = s->optimiser_hold > s->optimiser_warmup ? s->optimiser_hold : s->optimiser_warmup;
    return (TrainConfig){
        .steps = s->train_steps, .accumulate = s->train_accumulate,
        .optimiser = {
            .kind = (OptimiserKind)s->optimiser_kind,
            .schedule = { (ScheduleKind)s->optimiser_schedule, s->optimiser_lr, s->optimiser_floor, s->optimiser_warmup, hold, s->train_steps },
            .beta1 = s->optimiser_beta1, .beta2 = s->optimiser_beta2, .eps = s->optimiser_eps,
            .weight_decay = s->optimiser_weight_decay, .momentum = s->optimiser_momentum, .max_norm = s->optimiser_max_norm,
            .decay_matrices_only = s->optimiser_decay_matrices_only,
        },
    };
}

bool copy_file(const char *from, const char *to, const char *name, Arena *a, Error *e)
{
    size_t size;
    char *source = arena_format(a, "%s/%s", from, name), *target = arena_format(a, "%s/%s", to, name);
    char *bytes = source && target ? file_read(source, 64 << 20, &size, a, e) : NULL;
    return bytes && file_write(target, bytes, size, e);
}

/* --- methods --- */

static void hyperparameters_given(const Settings *s, Hyperparameters *v)
{
#define HYPERPARAMETER(key, ...) if (s->given[SETTING_unlearn_##key]) v->key = s->unlearn_##key;
#include "unlearn/hyperparameters.def"
#undef HYPERPARAMETER
}

bool settings_method(const Settings *s, const char *name, Settings *out, const Method **m, Hyperparameters *v, Error *e)
{
    *out = *s;
    *m = method_find(name);
    if (!*m)
        return error_set(e, "unlearn: there is no method %s, expected one of `pulse-ref list methods`", name);
    settings_own(out, name);
    const char *preset = out->unlearn_preset;
    if (!hyperparameters_make(v, *m, preset, e))
        return false;
    for (size_t k = 0; *preset && k < presets_count; k++)
        if (strcmp(presets[k].preset, preset) == 0 && (strcmp(presets[k].method, "*") == 0 || strcmp(presets[k].method, name) == 0)
            && !settings_preset(out, presets[k].settings, e))
            return false;
    hyperparameters_given(out, v);
    out->unlearn_method = (*m)->name;
    return true;
}
