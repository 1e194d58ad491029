/* SPDX-License-Identifier: MIT */
/* Reading and writing adapters in PEFT's folders: adapter_config.json and adapter_model.safetensors (INTEROP 2.5). */
#include <math.h>
#include <string.h>
#include "model/lora.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tensor/store.h"

#define PREFIX   "base_model.model."
#define FACTOR_A ".lora_A.weight"
#define FACTOR_B ".lora_B.weight"

enum { CONFIG_LIMIT = 1 << 24 };

/* --- Writing --- */

/* The module of a parameter: "language_model.model.norm" of "language_model.model.norm.weight". */
static const char *parent(const char *name, Arena *a)
{
    const char *dot = strrchr(name, '.');
    return dot ? arena_format(a, "%.*s", (int)(dot - name), name) : arena_text(a, "");
}

/* Whether some weight of this very module is trainable. Then all its weights are saved. */
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

static json_t *config_json(const Lora *l, const Weights *w, Arena *a)
{
    json_t *targets = json_array(), *saved = json_array();
    const char *before = "";
    for (size_t i = 0; i < l->count; i++)
        json_array_append_new(targets, json_string(name_memory(l->pairs[i].module, a)));
    for (size_t i = 0; w && i < w->count; i++) {
        const char *module = parent(w->list[i].name, a);
        if (module && strcmp(module, before) && module_trained(w, module))
            json_array_append_new(saved, json_string(name_memory(before = module, a)));
    }
    const float alpha = l->config.alpha;
    json_t *scale = alpha == floorf(alpha) ? json_integer((json_int_t)alpha) : json_decimal(alpha);
    bool none = json_array_size(saved) == 0;
    json_t *config = json_pack("{s:s, s:n, s:s?, s:b, s:b, s:s, s:I, s:o, s:f, s:s, s:b, s:b, s:o, s:o, s:n}",
        "peft_type", "LORA", "auto_mapping", "base_model_name_or_path", l->config.base, "inference_mode", 1, "fan_in_fan_out", 0,
        "init_lora_weights", "gaussian", "r", (json_int_t)l->config.rank, "lora_alpha", scale, "lora_dropout", 0.0, "bias", "none",
        "use_rslora", (int)l->config.rslora, "use_dora", 0, "target_modules", targets, "modules_to_save", none ? json_null() : json_incref(saved), "task_type");
    json_decref(saved);
    return config;
}

/* The entries to write under PEFT's names: the factors, then the weights that are trained themselves. Returns their number; 0: no
 * memory. */
static size_t entries_make(const Lora *l, const Weights *w, Entry *out, Arena *a)
{
    size_t n = 0;
    for (size_t i = 0; i < l->factors.count; i++)
        out[n++] = (Entry){ name_memory(l->factors.list[i].name, a), l->factors.list[i].tensor };
    for (size_t i = 0; w && i < w->count; i++) {
        const char *module = parent(w->list[i].name, a);
        if (module && module_trained(w, module))
            out[n++] = (Entry){ name_memory(w->list[i].name, a), w->list[i].tensor };
    }
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
    Entry *entries = arena_array(&a, l->factors.count + (w ? w->count : 0), sizeof *entries);
    const char *tensors = arena_format(&a, "%s/adapter_model.safetensors", folder), *config = arena_format(&a, "%s/adapter_config.json", folder);
    size_t n = entries && tensors && config ? entries_make(l, w, entries, &a) : 0;
    json_t *json = n ? config_json(l, w, &a) : NULL;
    bool good = json && file_make_folder(folder, e) && store_write(tensors, entries, n, e) && json_save(config, json, e);
    json_decref(json);
    arena_free(&a);
    return good || error_set(e, "%s: the adapter could not be written", folder);
}

/* --- Reading --- */

/* Keys that do not change y: where the files came from, how the factors were initialised, and what follows from the tensors.
 * lora_dropout is of training in PEFT; there is none here. */
static bool key_ignored(const char *key)
{
    return name_matches("auto_mapping,base_model_name_or_path,corda_config,ensure_weight_tying,eva_config,inference_mode,init_lora_weights,loftq_config,"
                        "lora_dropout,megatron_config,megatron_core,modules_to_save,peft_version,qalora_group_size,revision,runtime_config,target_modules,task_type", key);
}

static bool is_empty(const json_t *v)
{
    return json_is_null(v) || json_is_false(v) || (json_is_object(v) && !json_object_size(v)) || (json_is_array(v) && !json_array_size(v));
}

/* Every other key must be known or empty. A variant of LoRA that is switched on is an error. */
static bool config_keys(const json_t *config, const char *path, Error *e)
{
    const char *key, *text = "";
    json_t *value;
    if (!json_is_object(config))
        return error_set(e, "%s: must be an object", path);
    json_object_foreach((json_t *)config, key, value)
        if (!key_ignored(key) && !name_matches("peft_type,r,lora_alpha,use_rslora,bias", key) && !is_empty(value))
            return error_set(e, "%s: \"%s\" asks for what is not computed here", path, key);
    if (!json_get_text(config, "peft_type", &text, path, e))
        return false;
    if (strcmp(text, "LORA"))
        return error_set(e, "%s: \"peft_type\" is \"%s\", \"LORA\" was expected", path, text);
    if (json_object_get(config, "bias") && (!json_get_text(config, "bias", &text, path, e) || strcmp(text, "none")))
        return error_set(e, "%s: \"bias\" must be \"none\"", path);
    return true;
}

/* The defaults are PEFT's: r = 8 and alpha = 8. */
static bool config_read(LoraConfig *c, const char *path, Error *e)
{
    json_t *config = json_file(path, CONFIG_LIMIT, e);
    *c = (LoraConfig){ .rank = 8, .alpha = 8 };
    bool good = config && config_keys(config, path, e)
             && (!json_object_get(config, "r") || json_get_int(config, "r", &c->rank, path, e))
             && (!json_object_get(config, "lora_alpha") || json_get_float(config, "lora_alpha", &c->alpha, path, e))
             && (!json_object_get(config, "use_rslora") || json_get_bool(config, "use_rslora", &c->rslora, path, e))
             && (lora_config_check(c, e) || error_prefix(e, "%s", path));
    json_decref(config);
    return good;
}

/* A tensor of the file, and its name in the model: that of a factor or of a weight. `name` NULL: it is not named as PEFT names
 * it. */
typedef struct { const char *file_name, *name; const Tensor *tensor; bool used; } Part;
typedef struct { Part *parts; size_t count; } Parts;

static bool parts_make(Parts *p, const Store *s, Arena *a, Error *e)
{
    const size_t n = sizeof PREFIX - 1;
    p->count = s->count;
    p->parts = arena_array(a, s->count, sizeof *p->parts);
    for (size_t i = 0; p->parts && i < s->count; i++) {
        const char *name = s->entries[i].name;
        p->parts[i] = (Part){ name, strncmp(name, PREFIX, n) ? NULL : name_hub(name + n, a), &s->entries[i].tensor, false };
    }
    return p->parts || error_no_memory(e, "%s: no memory", s->path);
}

static Part *part_find(const Parts *p, const char *first, const char *second)
{
    const size_t n = strlen(first);
    for (size_t i = 0; i < p->count; i++)
        if (p->parts[i].name && !strncmp(p->parts[i].name, first, n) && !strcmp(p->parts[i].name + n, second))
            return &p->parts[i];
    return NULL;
}

static bool wanted_by_file(const char *module, const Weight *base, const void *context)
{
    (void)base;
    return part_find(context, module, FACTOR_A) || part_find(context, module, FACTOR_B);
}

/* Copies a part to `out` as F32. Fails unless it is present, has this shape and holds finite floats. `out` NULL: it is only
 * checked. */
static bool part_take(const Parts *p, const char *first, const char *second, const Tensor *like, float *out, const char *path, Error *e)
{
    char got[64], want[64];
    Part *part = part_find(p, first, second);
    if (!part)
        return error_set(e, "%s: %s%s is missing", path, first, second);
    if (part->tensor->dtype != F32 && part->tensor->dtype != F16 && part->tensor->dtype != BF16)
        return error_set(e, "%s: %s is %s, F32, F16 or BF16 was expected", path, part->file_name, dtype_name(part->tensor->dtype));
    if (!shape_equal(part->tensor->shape, like->shape))
        return error_set(e, "%s: %s is %s, %s was expected", path, part->file_name, shape_text(part->tensor->shape, got), shape_text(like->shape, want));
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

/* The weights that were saved whole. They are only checked unless `take` is set, so that nothing changes before all is known to
 * be right. */
static bool whole_take(Weights *w, const Parts *p, bool take, const char *path, Error *e)
{
    for (size_t i = 0; i < w->count; i++) {
        Weight *one = &w->list[i];
        if (!part_find(p, one->name, ""))
            continue;
        if (take && !weights_own(w, one, e))
            return false;
        if (!part_take(p, one->name, "", &one->tensor, take ? one->tensor.f32 : NULL, path, e))
            return false;
        if (take)
            one->trainable = !one->idle;
    }
    return true;
}

static bool all_used(const Parts *p, const char *path, Error *e)
{
    NameList unused = { 0 };
    for (size_t i = 0; i < p->count; i++)
        if (!p->parts[i].used)
            name_list_add(&unused, p->parts[i].file_name);
    return unused.count == 0 || error_set(e, "%s: keys that no module of this model uses: %s", path, name_list_text(&unused));
}

static bool tensors_read(Lora *l, Weights *w, LoraConfig config, const char *path, Arena *a, Error *e)
{
    Store s;
    Parts p;
    if (!store_open(&s, path, a, e))
        return false;
    bool good = parts_make(&p, &s, a, e) && lora_begin(l, w, config, wanted_by_file, &p, a, e) && factors_take(l, &p, path, e)
             && whole_take(w, &p, false, path, e) && all_used(&p, path, e) && whole_take(w, &p, true, path, e);
    if (good && l->count == 0 && s.count == 0)
        good = error_set(e, "%s: holds no adapter", path);
    store_close(&s);
    return good;
}

bool lora_load(Lora *l, Weights *w, const char *folder, Arena *a, Error *e)
{
    LoraConfig config;
    *l = (Lora){ .factors = { .arena = a } };
    const char *tensors = arena_format(a, "%s/adapter_model.safetensors", folder), *path = arena_format(a, "%s/adapter_config.json", folder);
    if (!tensors || !path)
        return error_no_memory(e, "%s: no memory", folder);
    return config_read(&config, path, e) && tensors_read(l, w, config, tensors, a, e);
}
