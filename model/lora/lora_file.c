/* SPDX-License-Identifier: MIT */
/* Reads and writes adapters in PEFT's folders: adapter_config.json and adapter_model.safetensors. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "model/arch.h"
#include "model/lora/lora_config.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tensor/store.h"

#define PREFIX   "base_model.model."
#define FACTOR_A ".lora_A.weight"
#define FACTOR_B ".lora_B.weight"

/* --- Writing ---
 *
 * PEFT looks up modules by their names in transformers' memory. Version 4.52 of transformers changed these names
 * (name_memory). Files that are written here open under older and newer versions of transformers:
 *     - "target_modules" is a pattern that matches both names
 *     - the factors have the Hub's names, which are the older ones; newer versions of PEFT convert them
 *     - PEFT does not convert a weight that is saved whole, so it is written under both names */

/* The module of a parameter: "language_model.model.norm" of "language_model.model.norm.weight". */
static const char *parent(const char *name, Arena *a)
{
    const char *dot = strrchr(name, '.');
    return dot ? arena_format(a, "%.*s", (int)(dot - name), name) : arena_text(a, "");
}

/* Whether some weight of exactly this module is trainable; all weights of such a module are saved. */
static bool module_trained(const Weights *w, const char *module)
{
    const size_t n = strlen(module);
    for (size_t i = 0; i < w->count; i++) {
        const char *name = w->list[i].name;
        if (w->list[i].trainable && !strncmp(name, module, n) && name[n] == '.' && !strchr(name + n + 1, '.'))
            return true;
    }
    return false;
}

/* The embedding of a tied model, if it is saved whole; otherwise NULL. It is saved as the head too, because PEFT reads
 * the two separately. */
static const Weight *tied_table(const Weights *w)
{
    const Weight *table = w->tied ? weights_find(w, w->arch->embedding) : NULL;
    return table && table->trainable ? table : NULL;
}

static json_t *alpha_json(float alpha)
{
    return alpha == floorf(alpha) ? json_integer((json_int_t)alpha) : json_decimal(alpha);
}

/* The common end of a module's two names, in the Hub's layout and in memory. */
static const char *common_end(const char *hub, const char *memory)
{
    size_t n = strlen(hub), m = strlen(memory), same = 0;
    while (same < n && same < m && hub[n - 1 - same] == memory[m - 1 - same])
        same++;
    for (; same > 0; same--) {                                 // it must begin with a whole part of both paths
        bool first = same == n || hub[n - same - 1] == '.', second = same == m || memory[m - same - 1] == '.';
        if (first && second)
            break;
    }
    return hub + n - same;
}

/* The key of a pattern for one module: the common end of its two names; if another adapted module has the same end, the
 * module's whole name. */
static const char *shared_end(const char *module, const Lora *l, Arena *a)
{
    const char *memory = name_memory(module, a), *end = memory ? common_end(module, memory) : module;
    for (size_t i = 0; i < l->count; i++) {
        size_t n = strlen(l->pairs[i].module), m = strlen(end);
        if (l->pairs[i].module != module && n > m && strcmp(l->pairs[i].module + n - m, end) == 0)
            return module;
    }
    return end;
}

/* A pattern that fits the names of the adapted modules in both layouts, and no other module. It has the two
 * beginnings, and then the common end. Neighbouring modules with the same beginnings share them, as in
 * "(language_model.model.|model.language_model.)(layers.0.mlp.up_proj|layers.1.mlp.up_proj)". (A dot stands for any
 * character, but no two names differ only there.) */
static const char *targets_pattern(const Lora *l, Arena *a)
{
    const char *all = "", *before = NULL;
    for (size_t i = 0; all && i < l->count; i++) {
        const char *hub = l->pairs[i].module, *memory = name_memory(hub, a), *end = memory ? common_end(hub, memory) : hub;
        const char *begin = !memory ? NULL : strcmp(memory, hub) == 0 ? ""
            : arena_format(a, "(%.*s|%.*s)", (int)(end - hub), hub, (int)(strlen(memory) - strlen(end)), memory);
        if (!begin)
            return NULL;
        bool same = before && strcmp(before, begin) == 0;
        all = arena_format(a, "%s%s%s%s", all, same ? "|" : before ? ")|" : "", same ? "" : arena_format(a, "%s(", begin), end);
        before = begin;
    }
    return arena_format(a, "%s%s", all, before ? ")" : "");
}

/* Adds rank_pattern and alpha_pattern for the pairs that have a rank or an alpha of their own. */
static json_t *patterns_add(json_t *config, const Lora *l, Arena *a)
{
    json_t *ranks = json_object(), *alphas = json_object();
    for (size_t i = 0; i < l->count; i++) {
        const LoraPair *p = &l->pairs[i];
        const size_t rank = p->a->tensor.shape.dim[0];
        if (rank != (size_t)l->config.rank)
            json_put(ranks, shared_end(p->module, l, a), json_integer((json_int_t)rank));
        if (p->alpha < l->config.alpha || p->alpha > l->config.alpha)
            json_put(alphas, shared_end(p->module, l, a), alpha_json(p->alpha));
    }
    if (config && json_object_size(ranks))
        json_put(config, "rank_pattern", json_incref(ranks));
    if (config && json_object_size(alphas))
        json_put(config, "alpha_pattern", json_incref(alphas));
    json_decref(ranks);
    json_decref(alphas);
    return config;
}

/* Adds a module that is saved whole: under the Hub's name alone if its name in memory ends with the Hub's, otherwise
 * under both names. */
static void saved_add(json_t *saved, const char *hub, Arena *a)
{
    const char *memory = hub ? name_memory(hub, a) : NULL;
    size_t n = memory ? strlen(memory) : 0, m = memory ? strlen(hub) : 0;
    json_add(saved, json_string(hub));
    if (memory && !(n >= m && strcmp(memory + n - m, hub) == 0))
        json_add(saved, json_string(memory));
}

static json_t *adapter_json(const Lora *l, const Weights *w, Arena *a)
{
    json_t *saved = json_array();
    const char *before = "", *targets = targets_pattern(l, a);
    for (size_t i = 0; w && i < w->count; i++) {
        const char *module = parent(w->list[i].name, a);
        if (module && strcmp(module, before) && module_trained(w, module))
            saved_add(saved, before = module, a);
    }
    if (w && tied_table(w))
        saved_add(saved, parent(w->arch->head, a), a);
    bool none = json_array_size(saved) == 0;
    json_t *config = json_pack("{s:s, s:n, s:s?, s:b, s:b, s:s, s:I, s:o, s:f, s:s, s:b, s:b, s:s, s:o, s:n}", "peft_type",
                               "LORA", "auto_mapping", "base_model_name_or_path", l->config.base, "inference_mode", 1,
                               "fan_in_fan_out", 0, "init_lora_weights", "gaussian", "r", (json_int_t)l->config.rank,
                               "lora_alpha", alpha_json(l->config.alpha), "lora_dropout", 0.0, "bias", "none", "use_rslora",
                               (int)l->config.rslora, "use_dora", 0, "target_modules", targets, "modules_to_save",
                               none ? json_null() : json_incref(saved), "task_type");
    json_decref(saved);
    return patterns_add(config, l, a);
}

/* Appends a weight that is saved whole to the n entries, under both of its names if they differ. Returns the new
 * number of entries. */
static size_t whole_add(Entry *out, size_t n, const char *hub, Tensor value, Arena *a)
{
    const char *memory = name_memory(hub, a);
    out[n++] = (Entry){ hub, value };
    if (!memory || strcmp(memory, hub) != 0)
        out[n++] = (Entry){ memory, value };
    return n;
}

/* Makes the entries to write, under PEFT's names: the factors, then the weights that are saved whole. Returns their
 * number; 0: no memory. */
static size_t entries_make(const Lora *l, const Weights *w, Entry *out, Arena *a)
{
    size_t n = 0;
    for (size_t i = 0; i < l->factors.count; i++)
        out[n++] = (Entry){ l->factors.list[i].name, l->factors.list[i].tensor };
    for (size_t i = 0; w && i < w->count; i++) {
        const char *module = parent(w->list[i].name, a);
        if (module && module_trained(w, module))
            n = whole_add(out, n, w->list[i].name, w->list[i].tensor, a);
    }
    if (w && tied_table(w))
        n = whole_add(out, n, w->arch->head, tied_table(w)->tensor, a);
    for (size_t i = 0; i < n; i++) {
        out[i].name = out[i].name ? arena_format(a, PREFIX "%s", out[i].name) : NULL;
        if (!out[i].name)
            return 0;
    }
    return n;
}

bool lora_save(const Lora *l, const Weights *w, const char *folder, Error *e)
{
    Arena a = arena_make(e);
    Entry *entries = arena_array(&a, l->factors.count + (w ? 2 * w->count + 2 : 0), sizeof *entries);
    const char *tensors = arena_format(&a, "%s/adapter_model.safetensors", folder),
               *config = arena_format(&a, "%s/adapter_config.json", folder);
    size_t n = entries && tensors && config ? entries_make(l, w, entries, &a) : 0;
    json_t *json = n ? adapter_json(l, w, &a) : NULL;
    bool good = json && file_make_folder(folder, e) && store_write(tensors, entries, n, e)
        && json_save(config, json, e);
    json_decref(json);
    arena_free(&a);
    return good || error_set(e, "%s: the adapter could not be written", folder);
}

/* --- Reading --- */

/* A tensor of the file. `name` is the name of the factor or weight in the model; NULL: file_name is not a name of
 * PEFT's. */
typedef struct { const char *file_name, *name; const Tensor *tensor; bool used; } Part;
typedef struct { Part *parts; size_t count; const LoraFileConfig *config; } Parts;

/* The name in the model of a tensor whose name in the file is PREFIX followed by `name`. In PEFT the bias of a linear
 * map with an adapter belongs to the map's "base_layer". So if such a bias was trained, its name in the file has this
 * word, which is left out here. */
static const char *part_name(const char *name, Arena *a)
{
    const char *inner = strstr(name, ".base_layer.");
    return name_hub(inner ? arena_format(a, "%.*s%s", (int)(inner - name), name, inner + sizeof ".base_layer" - 1) : name, a);
}

static bool parts_make(Parts *p, const Store *s, Arena *a, Error *e)
{
    const size_t n = sizeof PREFIX - 1;
    p->count = s->count;
    p->parts = arena_array(a, s->count, sizeof *p->parts);
    for (size_t i = 0; p->parts && i < s->count; i++) {
        const char *name = s->entries[i].name;
        p->parts[i] = (Part){ name, strncmp(name, PREFIX, n) ? NULL : part_name(name + n, a), &s->entries[i].tensor, false };
    }
    return p->parts || error_no_memory(e, "%s: no memory", s->path);
}

/* The part that is called `first` followed by `second` in the model; NULL: there is none. */
static Part *part_find(const Parts *p, const char *first, const char *second)
{
    const size_t n = strlen(first);
    for (size_t i = 0; i < p->count; i++)
        if (p->parts[i].name && !strncmp(p->parts[i].name, first, n) && !strcmp(p->parts[i].name + n, second))
            return &p->parts[i];
    return NULL;
}

/* True for the modules that have a factor in the file. Takes rank and alpha from the patterns that fit the module's
 * path in the file. */
static bool wanted_by_file(const char *module, const Weight *base, const void *context, LoraConfig *own)
{
    char path[600];
    const Parts *p = context;
    const Part *a = part_find(p, module, FACTOR_A);
    (void)base;
    if (a) {
        snprintf(path, sizeof path, "%.*s", (int)(strlen(a->file_name) - strlen(PREFIX FACTOR_A)),
                 a->file_name + strlen(PREFIX));
        *own = lora_config_of(p->config, path);
    }
    return a || part_find(p, module, FACTOR_B);
}

/* Copies a part to `out` as F32. Fails unless it is present, has the shape of `like` and holds finite floats. If
 * `out` is NULL, the part is only checked. */
static bool part_take(const Parts *p, const char *first, const char *second, const Tensor *like, float *out,
                      const char *path, Error *e)
{
    char got[64], want[64];
    Part *part = part_find(p, first, second);
    if (!part)
        return error_set(e, "%s: %s%s is missing", path, first, second);
    if (part->tensor->dtype != F32 && part->tensor->dtype != F16 && part->tensor->dtype != BF16)
        return error_set(e, "%s: %s is %s, F32, F16 or BF16 was expected", path, part->file_name,
                         dtype_name(part->tensor->dtype));
    if (!shape_equal(part->tensor->shape, like->shape))
        return error_set(e, "%s: %s is %s, %s was expected", path, part->file_name, shape_text(part->tensor->shape, got),
                         shape_text(like->shape, want));
    if (!tensor_finite(*part->tensor))
        return error_set(e, "%s: %s has NaN or infinity, finite numbers were expected", path, part->file_name);
    part->used = true;
    if (out)
        tensor_widen(part->tensor, 0, shape_size(like->shape), out);
    return true;
}

static bool factors_take(Lora *l, const Parts *p, const char *path, Error *e)
{
    for (size_t i = 0; i < l->count; i++) {
        const LoraPair *pair = &l->pairs[i];
        if (!part_take(p, pair->module, FACTOR_A, &pair->a->tensor, pair->a->tensor.f32, path, e)
            || !part_take(p, pair->module, FACTOR_B, &pair->b->tensor, pair->b->tensor.f32, path, e))
            return false;
    }
    return true;
}

/* Takes the weights that were saved whole. Without `take` they are only checked, so that nothing changes before
 * everything was checked. */
static bool whole_take(Lora *l, Weights *w, const Parts *p, bool take, const char *path, Error *e)
{
    for (size_t i = 0; i < w->count; i++) {
        Weight *weight = &w->list[i];
        if (!part_find(p, weight->name, ""))
            continue;
        if (take && !weights_own(w, weight, e))
            return false;
        if (!part_take(p, weight->name, "", &weight->tensor, take ? weight->tensor.f32 : NULL, path, e))
            return false;
        if (take) {
            weight->trainable = !weight->idle;
            l->whole[l->whole_count++] = weight;
        }
    }
    return true;
}

/* Whether part x is a copy of a used part: the file may have a weight that is saved whole under the names of two
 * layouts. */
static bool is_copy(const Parts *p, const Part *x)
{
    for (size_t i = 0; i < p->count; i++) {
        const Part *y = &p->parts[i];
        if (y->used && x->name && y->name && !strcmp(x->name, y->name) && tensor_same(*x->tensor, *y->tensor))
            return true;
    }
    return false;
}

static bool all_used(const Parts *p, const char *path, Error *e)
{
    NameList unused = { 0 };
    for (size_t i = 0; i < p->count; i++)
        if (!p->parts[i].used && !is_copy(p, &p->parts[i]))
            name_list_add(&unused, p->parts[i].file_name);
    return unused.count == 0 || error_set(e, "%s: keys that no module of this model uses: %s", path, name_list_text(&unused));
}

/* In a tied model the embedding is the head too. PEFT saves and restores the two separately, so a file with only one of
 * them would untie them, which is not possible here. With ensure_weight_tying, PEFT ties the head to an embedding that
 * is there alone. */
static bool tied_check(const Weights *w, const Parts *p, const char *path, Error *e)
{
    const Part *table = w->tied ? part_find(p, w->arch->embedding, "") : NULL;
    Part *head = w->tied ? part_find(p, w->arch->head, "") : NULL;
    if (head)
        head->used = true;
    if ((!table && !head) || (table && !head && p->config->tying)
        || (table && head && tensor_same(*table->tensor, *head->tensor)))
        return true;
    return error_set(e, "%s: the embedding and the head of this model are tied, but the adapter has %s; expected the same "
                        "numbers for both", path,
                     table && head ? "different numbers for them" : "only one of them");
}

static bool tensors_read(Lora *l, Weights *w, const LoraFileConfig *config, const char *path, Arena *a, Error *e)
{
    Store s;
    Parts p = { .config = config };
    if (!store_open(&s, path, a, e))
        return false;
    bool good = parts_make(&p, &s, a, e) && lora_begin(l, w, config->config, wanted_by_file, &p, a, e)
             && (l->whole = arena_array(a, w->count + 1, sizeof *l->whole)) != NULL
             && factors_take(l, &p, path, e) && whole_take(l, w, &p, false, path, e) && tied_check(w, &p, path, e)
             && all_used(&p, path, e) && whole_take(l, w, &p, true, path, e);
    if (good && l->count == 0 && s.count == 0)
        good = error_set(e, "%s: holds no adapter", path);
    store_close(&s);
    return good;
}

/* Refuses a folder in which trained weights are in files that only PyTorch can read. adapter_model.bin is ignored if
 * adapter_model.safetensors is there. */
static bool files_check(const char *folder, Arena *a, Error *e)
{
    static const char *const pickles[] = { "non_lora_trainables.bin", "mm_projector.bin", "adapter_model.bin" };
    for (size_t k = 0; k < sizeof pickles / sizeof *pickles; k++) {
        const char *path = arena_format(a, "%s/%s", folder, pickles[k]);
        if (path && file_exists(path) && (k < 2 || !file_exists(arena_format(a, "%s/adapter_model.safetensors", folder))))
            return error_set(e, "%s: has weights that are not read here, expected all of them in adapter_model.safetensors", path);
    }
    return true;
}

bool lora_load(Lora *l, Weights *w, const char *folder, Arena *a, Error *e)
{
    LoraFileConfig config;
    *l = (Lora){ .factors = { .arena = a } };
    const char *tensors = arena_format(a, "%s/adapter_model.safetensors", folder),
               *path = arena_format(a, "%s/adapter_config.json", folder);
    if (!tensors || !path)
        return error_no_memory(e, "%s: no memory", folder);
    return files_check(folder, a, e) && lora_config_read(&config, path, a, e)
        && tensors_read(l, w, &config, tensors, a, e);
}
