/* SPDX-License-Identifier: MIT */
/* Reads the weights of a model folder (one file or shards, in any of three layouts of names), and writes them (one
 * file, in the Hub's layout). */
#include "model/weights_plan.h"

#include <string.h>
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tensor/base/limits.h"

typedef struct {
    Weights *w;
    const char *folder;
    const Planned *plan;
    Tensor *found;             // [planned weights]; data NULL: not found so far
    Weights lookup;            // the names of the plan without tensors, to look them up
    const Tensor *head;        // the head in the file of a tied model; NULL: the file has none
    NameList unused, twice, shapes, dtypes, infinite;      // the faulty tensors; infinite: with NaN or infinity
} Loading;

/* --- The files --- */

static bool files_add(Weights *w, const char *folder, const char *name, Error *e)
{
    const char *path = arena_format(w->arena, "%s/%s", folder, name);
    return path ? store_open(&w->files[w->file_count], path, w->arena, e) && ++w->file_count : error_no_memory(e, "no memory");
}

static const Store *file_named(const Weights *w, const char *name)
{
    for (size_t i = 0; i < w->file_count; i++) {
        const char *slash = strrchr(w->files[i].path, '/');
        if (!strcmp(slash ? slash + 1 : w->files[i].path, name))
            return &w->files[i];
    }
    return NULL;
}

static bool shard_name_check(const json_t *value, const char *path, Error *e)
{
    const char *name = json_string_value(value);
    return (name && *name && *name != '.' && !strchr(name, '/'))
        || error_set(e, "%s: \"weight_map\" must name, for each tensor, a file in the same folder", path);
}

/* Checks that every tensor of the map is in the file that the map names, and that no file holds any other tensor. */
static bool map_check(const Weights *w, const json_t *map, const char *path, Error *e)
{
    NameList missing = { 0 }, extra = { 0 };
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)map, name, value)
        if (!store_find(file_named(w, json_string_value(value)), name))
            name_list_add(&missing, name);
    for (size_t i = 0; i < w->file_count; i++)
        for (size_t k = 0; k < w->files[i].count; k++) {
            const char *named = json_string_value(json_object_get(map, w->files[i].entries[k].name));
            if (!named || file_named(w, named) != &w->files[i])
                name_list_add(&extra, w->files[i].entries[k].name);
        }
    if (missing.count)
        return error_set(e, "%s: these tensors are not in the file that \"weight_map\" names: %s", path, name_list_text(&missing));
    if (extra.count)
        return error_set(e, "%s: these tensors are in a shard, but not in \"weight_map\": %s", path, name_list_text(&extra));
    return true;
}

static bool shards_open(Weights *w, const char *folder, const json_t *index, const char *path, Error *e)
{
    const json_t *map = json_object_get(index, "weight_map");
    const char *name;
    json_t *value;
    if (!json_is_object(map))
        return error_set(e, "%s: \"weight_map\" must be an object", path);
    json_object_foreach((json_t *)map, name, value) {
        if (!shard_name_check(value, path, e))
            return false;
        if (file_named(w, json_string_value(value)))
            continue;
        if (w->file_count == LIMIT_SHARDS)
            return error_set(e, "%s: the index names more than %d files", path, LIMIT_SHARDS);
        if (!files_add(w, folder, json_string_value(value), e))
            return false;
    }
    return map_check(w, map, path, e);
}

static bool files_open(Weights *w, const char *folder, Error *e)
{
    const char *single = arena_format(w->arena, "%s/model.safetensors", folder);
    const char *path = arena_format(w->arena, "%s/model.safetensors.index.json", folder);
    if (!single || !path)
        return error_no_memory(e, "no memory");
    if (file_exists(single) || !file_exists(path)) {
        w->files = arena_zalloc(w->arena, sizeof *w->files);
        return w->files && files_add(w, folder, "model.safetensors", e);
    }
    json_t *index = json_file(path, LIMIT_INDEX, e);
    size_t tensors = json_object_size(json_object_get(index, "weight_map"));
    w->files = index ? arena_zalloc(w->arena, (tensors < LIMIT_SHARDS ? tensors : LIMIT_SHARDS) * sizeof *w->files) : NULL;
    bool good = w->files && shards_open(w, folder, index, path, e);
    json_decref(index);
    return good;
}

/* --- The tensors --- */

/* Takes a tensor of the files as the weight `name`, and notes what is wrong with it. */
static void take(Loading *l, const char *file_name, const Tensor *t, const char *name)
{
    const Weight *slot = weights_find(&l->lookup, name);
    if (l->w->tied && !strcmp(name, l->w->arch->head)) {
        l->head = t;
        return;
    }
    if (!slot) {
        name_list_add(&l->unused, file_name);
        return;
    }
    const size_t k = (size_t)(slot - l->lookup.list);
    char line[700], got[64], want[64];
    if (l->found[k].data)
        name_list_add(&l->twice, file_name);
    if (t->dtype != F32 && t->dtype != F16 && t->dtype != BF16) {
        snprintf(line, sizeof line, "%s (%s)", file_name, dtype_name(t->dtype));
        name_list_add(&l->dtypes, line);
    } else if (!tensor_finite(*t)) {
        name_list_add(&l->infinite, file_name);
    }
    if (!shape_equal(t->shape, l->plan[k].shape)) {
        snprintf(line, sizeof line, "%s %s instead of %s", file_name, shape_text(t->shape, got),
                 shape_text(l->plan[k].shape, want));
        name_list_add(&l->shapes, line);
    }
    l->found[k] = *t;
}

/* The place of a tied model's embedding, which is its head as well. */
static const Tensor *embedding_of(const Loading *l)
{
    return &l->found[weights_find(&l->lookup, l->w->arch->head) - l->lookup.list];
}

static bool take_all(Loading *l, Error *e)
{
    for (size_t i = 0; i < l->w->file_count; i++)
        for (size_t k = 0; k < l->w->files[i].count; k++) {
            const Entry *entry = &l->w->files[i].entries[k];
            const char *name = name_hub(entry->name, l->w->arena);
            if (!name)
                return error_no_memory(e, "%s: no memory for its names", l->folder);
            if (!name_matches(l->w->arch->buffers, name))
                take(l, entry->name, &entry->tensor, name);
        }
    if (l->head && !embedding_of(l)->data)               // a safetensors file has a shared tensor under one name
        take(l, "the head", l->head, l->w->arch->embedding);
    return true;
}

/* Fails if tensors are missing, unused or wrong; of several faults, the most important one is reported. */
static bool findings_check(Loading *l, Error *e)
{
    NameList missing = { 0 };
    for (size_t k = 0; k < l->lookup.count; k++)
        if (!l->found[k].data && !l->plan[k].idle)
            name_list_add(&missing, l->plan[k].name);
    if (missing.count && l->unused.count)
        error_set(e, "%s: tensors are missing: %s; and tensors are there that this model does not use: %s", l->folder,
                  name_list_text(&missing), name_list_text(&l->unused));
    else if (missing.count)
        error_set(e, "%s: tensors are missing: %s", l->folder, name_list_text(&missing));
    else if (l->unused.count)
        error_set(e, "%s: tensors are there that this model does not use: %s", l->folder, name_list_text(&l->unused));
    else if (l->twice.count)
        error_set(e, "%s: tensors are there twice, under two names: %s", l->folder, name_list_text(&l->twice));
    else if (l->dtypes.count)
        error_set(e, "%s: weights that are neither F32 nor F16 nor BF16: %s", l->folder, name_list_text(&l->dtypes));
    else if (l->infinite.count)
        error_set(e, "%s: weights with NaN or infinity, expected finite numbers: %s", l->folder,
                  name_list_text(&l->infinite));
    else if (l->shapes.count)
        error_set(e, "%s: shapes do not fit config.json: %s", l->folder, name_list_text(&l->shapes));
    else if (l->head && !tensor_same(*l->head, *embedding_of(l)))
        error_set(e, "%s: \"tie_word_embeddings\" is true, but the head in the file differs from the embedding", l->folder);
    else
        return true;
    return false;
}

/* Lists what was found, and widens the tensors of DTYPE_WIDE to F32. */
static bool keep_all(Loading *l, Error *e)
{
    for (size_t k = 0; k < l->lookup.count; k++) {
        Tensor t = l->found[k];
        if (!t.data)
            continue;
        if (l->plan[k].dtype == DTYPE_WIDE && t.dtype != F32) {
            Tensor wide = tensor_f32(l->w->arena, t.shape);
            if (!wide.data)
                return error_no_memory(e, "%s: no memory for %s", l->folder, l->plan[k].name);
            tensor_widen(&t, 0, shape_size(t.shape), wide.f32);
            t = wide;
        }
        l->w->list[l->w->count++] = (Weight){ l->plan[k].name, t, false, l->plan[k].idle };
    }
    return weights_index(l->w, e);
}

/* The names of the plan without tensors, so that weights_find gives their index. */
static bool lookup_make(Weights *lookup, const Planned *plan, size_t count, Error *e)
{
    lookup->list = arena_array(lookup->arena, count, sizeof *lookup->list);
    for (lookup->count = 0; lookup->list && lookup->count < count; lookup->count++)
        lookup->list[lookup->count] = (Weight){ .name = plan[lookup->count].name };
    return lookup->list ? weights_index(lookup, e) : error_no_memory(e, "no memory");
}

/* Refuses a config that asks for far more layers than the files can hold, before memory is used for their names. If
 * fewer tensors are missing, findings_check gives their names. */
static bool count_check(const Loading *l, const ModelConfig *c, Error *e)
{
    size_t required = weights_required(c, l->w->arena), held = 0;
    for (size_t i = 0; i < l->w->file_count; i++)
        held += l->w->files[i].count;
    return required <= 2 * held + 100
        || error_set(e, "%s: tensors are missing: config.json asks for %zu of them (%lld layers in the vision tower, %lld in the "
                        "language model), the files hold %zu",
                     l->folder, required, (long long)c->vision.num_hidden_layers, (long long)c->text.num_hidden_layers, held);
}

static bool load(Loading *l, const ModelConfig *c, Error *e)
{
    size_t count;
    if (!files_open(l->w, l->folder, e) || !count_check(l, c, e))
        return false;
    const Planned *plan = weights_plan(c, &count, l->w->arena, e);
    l->plan = plan;
    l->lookup = (Weights){ .arch = c->arch, .arena = l->w->arena, .tied = l->w->tied };
    if (!plan || !lookup_make(&l->lookup, plan, count, e))
        return false;
    l->found = arena_zalloc(l->w->arena, count * sizeof *l->found);
    l->w->list = arena_array(l->w->arena, count, sizeof *l->w->list);
    if (!l->found || !l->w->list)
        return error_no_memory(e, "%s: no memory for its weights", l->folder);
    return take_all(l, e) && findings_check(l, e) && keep_all(l, e);
}

bool weights_load(Weights *w, const char *folder, const ModelConfig *c, Arena *a, Error *e)
{
    *w = (Weights){ .arch = c->arch, .arena = a, .tied = c->text.tie_word_embeddings };
    Loading l = { .w = w, .folder = folder };
    bool good = config_check(c, folder, e) && load(&l, c, e);
    if (!good)
        weights_close(w);
    return good;
}

bool weights_save(const Weights *w, const ModelConfig *c, const char *folder, Error *e)
{
    return weights_save_made(w, c, folder, (StoreMaker){ NULL, NULL }, e);
}

bool weights_save_made(const Weights *w, const ModelConfig *c, const char *folder, StoreMaker maker, Error *e)
{
    Arena a = arena_make(e);
    Entry *entries = arena_array(&a, w->count, sizeof *entries);
    const char *path = arena_format(&a, "%s/model.safetensors", folder);
    bool good = entries && path && file_make_folder(folder, e);
    for (size_t i = 0; good && i < w->count; i++)
        entries[i] = (Entry){ w->list[i].name, w->list[i].tensor };
    good = good && store_write_made(path, entries, w->count, maker, e) && config_save(c, folder, e);
    arena_free(&a);
    return good;
}
