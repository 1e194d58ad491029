/* SPDX-License-Identifier: MIT */
#include "ref/config/session.h"

#include <string.h>
#include <sys/stat.h>
#include "model/folder/folder.h"
#include "model/text/chat_template.h"
#include "model/text/text_config.h"
#include "tensor/base/file.h"
#include "tensor/base/limits.h"

/* Opens the model of model.path or, where that is empty, makes new weights for model.config. */
static bool open_of_settings(Session *s, const Settings *settings, Error *e)
{
    const char *path = settings_path(settings, settings->model_path),
        *config = settings_path(settings, settings->model_config);
    size_t size;
    s->folder = *path ? path : settings_path(settings, settings->data_world);
    if (*path)
        return settings_input(settings, "model.path", settings->model_path, e) && config_load(&s->config, path, e)
            && weights_load(&s->weights, path, &s->config, s->arena, e);
    if (!*config)
        return error_set(e, "%s: neither model.path nor model.config is given, expected one of them", settings->file);
    char *text = settings_input(settings, "model.config", settings->model_config, e)
                   ? file_text(config, LIMIT_CONFIG, &size, s->arena, e)
                   : NULL;
    return text && config_parse(&s->config, text, size, config, e)
        && weights_make(&s->weights, &s->config, (uint64_t)settings->model_seed, s->arena, e);
}

bool session_bare(Session *s, const Settings *settings, const char *folder, Arena *a, Error *e)
{
    *s = (Session){ .folder = folder, .arena = a, .memory = settings ? (size_t)settings->model_memory << 20 : MODEL_MEMORY };
    return folder ? config_load(&s->config, folder, e) && weights_load(&s->weights, folder, &s->config, a, e)
                  : open_of_settings(s, settings, e);
}

bool session_reader(Session *s, const Settings *settings, PromptMask mask, Error *e)
{
    PromptTemplate template = (PromptTemplate)settings->data_template;
    bool good = (settings->given[SETTING_data_template] || chat_template_find(&template, template, s->folder, e))
             && reader_open(&s->reader, s->folder, &s->config, template, mask, s->arena, e);
    s->reader.upright = settings->data_orientation == ORIENTATION_EXIF;
    if (good && settings->data_generation == GENERATION_GREEDY) {
        s->reader.generation = (Error){ .failed = false };
        generation_config_check(s->folder, s->reader.style.tokenizer, s->config.text.eos_token_id, true,
                                &s->reader.generation);
    }
    return good;
}

bool session_open(Session *s, const Settings *settings, const char *folder, PromptMask mask, Arena *a, Error *e)
{
    return session_bare(s, settings, folder, a, e) && session_reader(s, settings, mask, e);
}

bool session_reference(Session *s, const char *folder, const Session *trained, bool hidden, Arena *a, Error *e)
{
    *s = (Session){ .arena = a };
    if (!folder || !session_bare(s, NULL, folder, a, e))
        return false;
    if (s->config.text.vocab_size != trained->config.text.vocab_size)
        return error_set(e, "%s: the vocabulary has %lld entries, expected the %lld of %s", folder, (long long)s->config.text.vocab_size,
                         (long long)trained->config.text.vocab_size, trained->folder);
    if (hidden && s->config.text.hidden_size != trained->config.text.hidden_size)
        return error_set(e, "%s: the hidden size is %lld, expected the %lld of %s", folder, (long long)s->config.text.hidden_size,
                         (long long)trained->config.text.hidden_size, trained->folder);
    return session_model(s, e);
}

static bool same_folder(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool folders_differ(const char *const *folder, size_t k, Error *e)
{
    for (size_t j = 0; j < k; j++)
        if (same_folder(folder[j], folder[k]))
            return error_set(e, "%s: this adapter is given twice, expected each of them once", folder[k]);
    return true;
}

bool session_adapters(Session *s, const char *const *folder, size_t n, bool merge, Error *e)
{
    Adapters all = { .count = 0 };
    for (size_t k = 0; k < n; k++) {
        Lora adapter;
        if (!folders_differ(folder, k, e) || !lora_load(&adapter, &s->weights, folder[k], s->arena, e)
            || !adapters_add(&all, &adapter, folder[k], s->arena, e))
            return false;
    }
    if (merge)
        return lora_merge(&all.live, &s->weights, e);
    s->adapters = all;
    return true;
}

bool session_adapter(Session *s, const char *folder, bool merge, Error *e)
{
    return session_adapters(s, &folder, 1, merge, e);
}

bool session_weights(Session *s, const char *folder, Error *e)
{
    weights_close(&s->weights);
    return weights_load(&s->weights, folder, &s->config, s->arena, e);
}

bool session_model(Session *s, Error *e)
{
    const bool good = model_make(&s->model, &s->config, &s->weights, adapters_live(&s->adapters), config_positions(&s->config),
                                 s->arena, e);
    s->model.memory = s->memory;
    return good;
}

/* Applies train.trainable where it is not the name of a Trainable but patterns of weight names. An error names the key,
 * which is attack.trainable in relearning. */
static bool train_patterns(Session *s, const Settings *settings, Error *e)
{
    return weights_train(&s->weights, settings->train_trainable, e)
        || settings_error_prefix(settings, settings->train_trainable == settings->attack_trainable ? "attack.trainable" : "train.trainable",
                                 e);
}

/* Loads the adapters of lora.frozen. They are live beside a new adapter that trains; without such an adapter, the key
 * is an error. */
static bool frozen_adapters(Session *s, const Settings *settings, bool trains_adapter, Error *e)
{
    char *rest = arena_text(s->arena, settings->lora_frozen), *path;
    const char **folder = arena_array(s->arena, strlen(settings->lora_frozen) + 1, sizeof *folder);
    size_t n = 0;
    if (!*settings->lora_frozen)
        return true;
    if (!trains_adapter)
        return error_set(e, "no adapter is trained beside the frozen ones, expected train.trainable = llm or proj+llm and, in "
                            "`unlearn`, a method with steps")
            || settings_error_prefix(settings, "lora.frozen", e);
    while (folder && (path = strsep(&rest, ",")))
        if (!*path)
            return error_set(e, "a name is empty, expected names of folders with commas between them")
                || settings_error_prefix(settings, "lora.frozen", e);
        else if (!(folder[n++] = settings_input(settings, "lora.frozen", path, e)))
            return false;
    return folder && (session_adapters(s, folder, n, false, e) || settings_error_prefix(settings, "lora.frozen", e));
}

/* Fails where a weight trains that a frozen adapter replaces as a whole (modules_to_save), because the adapter that
 * trains would replace it as a whole too. */
static bool frozen_whole(const Session *s, const Settings *settings, Error *e)
{
    for (size_t k = 0; k < s->adapters.count; k++)
        for (size_t i = 0; i < s->adapters.list[k].whole_count; i++)
            if (s->adapters.list[k].whole[i]->trainable)
                return error_set(e, "%s replaces %s as a whole (modules_to_save), and this weight is trained too, expected "
                                    "train.trainable = llm",
                                 s->adapters.name[k], s->adapters.list[k].whole[i]->name)
                    || settings_error_prefix(settings, "lora.frozen", e);
    return true;
}

bool session_train(Session *s, const Settings *settings, Error *e)
{
    Trainable t;
    const bool named = trainable_parse(settings->train_trainable, &t), trains_adapter = named && t != TRAIN_FULL;
    const LoraConfig c = { .rank = settings->lora_rank, .alpha = settings->lora_alpha, .rslora = settings->lora_rslora,
                           .targets = *settings->lora_targets ? settings->lora_targets : NULL };
    Lora own;
    s->adapters = (Adapters){ .count = 0 };
    if (!frozen_adapters(s, settings, trains_adapter, e) || !(named ? trainable_set(&s->weights, t, e) : train_patterns(s, settings, e))
        || !frozen_whole(s, settings, e))
        return false;
    if (trains_adapter && (!lora_make(&own, &s->weights, c, (uint64_t)settings->model_seed, s->arena, e)
                       || !adapters_add(&s->adapters, &own, "the adapter that trains", s->arena, e)))
        return settings_error_prefix(settings, "[lora]", e);
    return session_model(s, e);
}

bool session_begin(Session *s, const MethodSettings *m, Error *e)
{
    return m->method->loss ? session_train(s, &m->settings, e) : frozen_adapters(s, &m->settings, false, e) && session_model(s, e);
}

bool session_subspace(const Session *s, const MethodSettings *m, RoundsPlan *p, Arena *a, Error *e)
{
    const Settings *from = &m->settings;
    const SubspaceChoice c = { from->unlearn_subspace_rank, (SubspaceSide)from->unlearn_subspace_side };
    if (!*from->unlearn_subspace)
        return true;
    const char *folder = settings_input(from, "unlearn.subspace", from->unlearn_subspace, e);
    // weights of their own, because the adapter's file may replace some of them (modules_to_save)
    Session learned = { .folder = NULL };
    Subspace *space = arena_alloc(a, sizeof *space);
    const bool good = folder && space && session_bare(&learned, NULL, s->folder, a, e) && session_adapter(&learned, folder, false, e)
        && (subspace_make(space, adapters_live(&learned.adapters), c, (uint64_t)m->v.seed, a, e)
            || settings_error_prefix(from, "unlearn.subspace", e));
    session_close(&learned);
    p->subspace = space;
    return good && !e->failed;
}

bool session_frozen_apart(const Session *s, const Settings *settings, const char *out, Error *e)
{
    for (size_t k = 0; k + 1 < s->adapters.count; k++)
        if (same_folder(s->adapters.name[k], out))
            return error_set(e, "the adapter that trains would be written over %s, expected another folder in --out", s->adapters.name[k])
                || settings_error_prefix(settings, "lora.frozen", e);
    return true;
}

bool session_save(const Session *s, const char *folder, Error *e)
{
    return folder_write(folder, s->folder, &s->weights, &s->config, e);
}

void session_close(Session *s)
{
    weights_close(&s->weights);
}
