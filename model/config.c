/* SPDX-License-Identifier: MIT */
#include "model/config.h"

#include <math.h>
#include <string.h>
#include "model/arch.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tensor/base/limits.h"

enum { INT_LIMIT = INT32_MAX };

static const char *const section_names[] = { "", "vision_config.", "text_config." };
static const char *const act_names[ACT_COUNT] = { "gelu", "quick_gelu", "silu" };
static const char *const select_names[FEATURES_COUNT] = { "default", "full" };

/* --- Reading --- */

static bool key_known(const Architecture *arch, ConfigSection section, const char *name)
{
    for (size_t i = 0; i < arch->key_count; i++) {
        const ConfigKey *k = &arch->keys[i];
        if ((k->section == section || k->section == SECTION_ANY) && !strcmp(k->name, name))
            return true;
    }
    return false;
}

static bool keys_known(const Architecture *arch, const json_t *object, ConfigSection section, const char *path,
                       Error *e)
{
    const char *name;
    json_t *value;
    if (!json_is_object(object))
        return error_set(e, "%s: %s must be an object", path,
                         section == SECTION_TOP      ? "it"
                         : section == SECTION_VISION ? "\"vision_config\""
                                                     : "\"text_config\"");
    json_object_foreach((json_t *)object, name, value)
        if (!key_known(arch, section, name))
            return error_set(e, "%s: the key \"%s%s\" is not known", path, section_names[section], name);
    return true;
}

/* Reads a word as its index in a list of allowed words. The sentence of a failure gives the list. */
static bool word_read(const json_t *object, const char *name, const char *const *words, int count, int *out,
                      const char *path, Error *e)
{
    const char *text, *sep = "";
    char list[200] = "";
    if (!json_get_text(object, name, &text, path, e))
        return false;
    for (int i = 0; i < count; i++, sep = ", ") {
        if (!strcmp(text, words[i])) {
            *out = i;
            return true;
        }
        strcat(strcat(list, sep), words[i]);
    }
    return error_set(e, "%s: \"%s\" is \"%s\", one of %s was expected", path, name, text, list);
}

static bool in_range(const ConfigKey *k, int64_t n, const char *path, Error *e)
{
    return (n >= k->least && n <= INT_LIMIT)
        || error_set(e, "%s: \"%s%s\" is %lld, expected %lld to %lld", path, section_names[k->section], k->name, (long long)n,
                     (long long)k->least, (long long)INT_LIMIT);
}

static bool int_read(const json_t *object, const ConfigKey *k, int64_t *out, const char *path, Error *e)
{
    int64_t n;
    if (!json_get_int(object, k->name, &n, path, e) || !in_range(k, n, path, e))
        return false;
    *out = n;
    return true;
}

static bool fixed_check(const json_t *value, const ConfigKey *k, const char *path, Error *e)
{
    json_t *want = json_constant(k->fixed, e);
    if (!want)
        return false;
    bool same = json_is_number(want) ? json_is_number(value) && json_number_value(value) == json_number_value(want)
                                     : json_equal(value, want);
    json_decref(want);
    return same
        || error_set(e, "%s: \"%s%s\" must be %s: nothing else is computed here", path, section_names[k->section], k->name,
                     k->fixed);
}

static bool key_read(ModelConfig *c, const json_t *object, const ConfigKey *k, const char *path, Error *e)
{
    void *at = (char *)c + k->offset;
    const json_t *value = json_object_get(object, k->name);
    const bool absent = !value || json_is_null(value);
    switch (k->kind) {
    case KEY_INT:
        *(int64_t *)at = (int64_t)k->fallback;
        return absent || int_read(object, k, at, path, e);
    case KEY_FLOAT:
        *(float *)at = (float)k->fallback;
        return absent || json_get_float(object, k->name, at, path, e);
    case KEY_BOOL:
        *(bool *)at = k->fallback != 0;
        return absent || json_get_bool(object, k->name, at, path, e);
    case KEY_ACT:
        *(int *)at = (int)k->fallback;
        return absent || word_read(object, k->name, act_names, ACT_COUNT, at, path, e);
    case KEY_SELECT:
        *(int *)at = (int)k->fallback;
        return absent || word_read(object, k->name, select_names, FEATURES_COUNT, at, path, e);
    case KEY_FIXED:
        return absent || fixed_check(value, k, path, e);
    default:
        return true;
    }
}

static bool section_read(ModelConfig *c, const json_t *object, ConfigSection section, const char *path, Error *e)
{
    if (!keys_known(c->arch, object, section, path, e))
        return false;
    for (size_t i = 0; i < c->arch->key_count; i++)
        if (c->arch->keys[i].section == section && !key_read(c, object, &c->arch->keys[i], path, e))
            return false;
    return true;
}

/* rope_scaling, which newer files call rope_parameters, must be absent, null or of the type "default". If it holds
 * rope_theta, this value counts. */
static bool rope_read(ModelConfig *c, const json_t *text, const char *path, Error *e)
{
    static const char *const keys[] = { "rope_scaling", "rope_parameters" };
    for (int i = 0; i < 2; i++) {
        const json_t *rope = json_object_get(text, keys[i]), *type, *value;
        const char *name;
        if (!rope || json_is_null(rope))
            continue;
        type = json_object_get(rope, "rope_type");
        if (!type)
            type = json_object_get(rope, "type");
        if (!type || !json_is_string(type) || strcmp(json_string_value(type), "default"))
            return error_set(e, "%s: \"text_config.%s\" must be null or of rope_type \"default\"", path, keys[i]);
        json_object_foreach((json_t *)rope, name, value)
            if (value != type && strcmp(name, "rope_theta") && strcmp(name, "type"))
                return error_set(e, "%s: the key \"text_config.%s.%s\" is not known", path, keys[i], name);
        if (json_object_get(rope, "rope_theta") && !json_get_float(rope, "rope_theta", &c->text.rope_theta, path, e))
            return false;
    }
    return true;
}

/* A key whose value follows from other keys must agree with them. */
static bool agrees(const json_t *top, const char *name, int64_t want, const char *path, Error *e)
{
    const json_t *value = json_object_get(top, name);
    if (!value || json_is_null(value) || (json_is_integer(value) && json_integer_value(value) == want))
        return true;
    return error_set(e, "%s: \"%s\" contradicts the other keys, which make it %lld", path, name, (long long)want);
}

static bool derived_read(ModelConfig *c, const json_t *top, const json_t *text, const char *path, Error *e)
{
    const json_t *tie = json_object_get(top, "tie_word_embeddings"), *names = json_object_get(top, "architectures");
    const json_t *pad = json_object_get(top, "pad_token_id"), *id = json_object_get(top, "image_token_id");
    const char *class_name = json_string_value(json_array_get(names, 0));
    if (names && (!class_name || strcmp(class_name, c->arch->class_name)))
        return error_set(e, "%s: \"architectures\" must be [\"%s\"]", path, c->arch->class_name);
    if (tie && json_is_true(tie) != c->text.tie_word_embeddings)
        return error_set(e, "%s: \"tie_word_embeddings\" contradicts \"text_config.tie_word_embeddings\"", path);
    if (id && !json_object_get(top, "image_token_index")
        && !json_get_int(top, "image_token_id", &c->image_token_index, path, e))
        return false;
    if (pad && !json_is_null(pad) && !json_get_int(top, "pad_token_id", &c->text.pad_token_id, path, e))
        return false;
    if (c->text.num_key_value_heads < 0)
        c->text.num_key_value_heads = c->text.num_attention_heads;
    if (c->text.head_dim < 0) {
        c->text.head_dim = c->text.hidden_size / c->text.num_attention_heads;
        if (c->text.head_dim * c->text.num_attention_heads != c->text.hidden_size)
            return error_set(e, "%s: \"text_config.hidden_size\" %lld is not a multiple of \"text_config.num_attention_heads\" %lld", path,
                             (long long)c->text.hidden_size, (long long)c->text.num_attention_heads);
    }
    return rope_read(c, text, path, e) && config_check(c, path, e)
        && agrees(top, "vocab_size", c->text.vocab_size, path, e)
        && agrees(top, "image_token_id", c->image_token_index, path, e)
        && agrees(top, "image_seq_length", (int64_t)config_image_tokens(c), path, e);
}

/* The sub-config `name` of the file. If the file has none: `fallback`, which the architecture gives as JSON. */
static json_t *sub_config(const json_t *top, const char *name, const char *fallback, Error *e)
{
    json_t *value = json_object_get(top, name);
    return value && !json_is_null(value) ? json_incref(value) : json_constant(fallback, e);
}

static bool sections_read(ModelConfig *c, const json_t *top, const char *path, Error *e)
{
    json_t *vision = sub_config(top, "vision_config", c->arch->vision_config, e),
           *text = sub_config(top, "text_config", c->arch->text_config, e);
    bool good = section_read(c, top, SECTION_TOP, path, e) && section_read(c, vision, SECTION_VISION, path, e)
             && section_read(c, text, SECTION_TEXT, path, e) && derived_read(c, top, text, path, e);
    json_decref(vision);
    json_decref(text);
    return good;
}

/* The architecture whose name is the value of "model_type". */
static const Architecture *arch_read(const json_t *top, const char *path, Error *e)
{
    Arena a = arena_make(e);
    const json_t *type = json_object_get(top, "model_type");
    const char *names = architecture_names(&a);
    const Architecture *found = json_is_string(type) ? architecture_find(json_string_value(type)) : NULL;
    if (!json_is_object(top))
        error_set(e, "%s: it must be an object", path);
    else if (!type && names)
        error_set(e, "%s: the key \"model_type\" is missing, %s was expected", path, names);
    else if (!found && names)
        error_set(e, "%s: \"model_type\" must be %s: nothing else is computed here", path, names);
    arena_free(&a);
    return found;
}

bool config_parse(ModelConfig *c, const char *text, size_t n, const char *path, Error *e)
{
    *c = (ModelConfig){ 0 };
    json_t *top = json_parse(text, n, path, e);
    if (!top)
        return false;
    c->arch = arch_read(top, path, e);
    bool good = c->arch && sections_read(c, top, path, e);
    json_decref(top);
    return good;
}

bool config_load(ModelConfig *c, const char *folder, Error *e)
{
    Arena a = arena_make(e);
    size_t n;
    const char *path = arena_format(&a, "%s/config.json", folder);
    const char *text = path ? file_text(path, LIMIT_CONFIG, &n, &a, e) : NULL;
    bool good = text && config_parse(c, text, n, path, e);
    arena_free(&a);
    return good;
}

/* --- Checking --- */

static bool ranges_check(const ModelConfig *c, const char *path, Error *e)
{
    for (size_t i = 0; i < c->arch->key_count; i++) {
        const ConfigKey *k = &c->arch->keys[i];
        int64_t n = k->kind == KEY_INT ? *(const int64_t *)((const char *)c + k->offset) : 0;
        float x = k->kind == KEY_FLOAT ? *(const float *)((const char *)c + k->offset) : 1;
        if (k->kind == KEY_INT && !in_range(k, n, path, e))
            return false;
        if (!(x > 0) || !isfinite(x))
            return error_set(e, "%s: \"%s%s\" must be more than 0 and finite", path, section_names[k->section],
                             k->name);
    }
    return true;
}

bool config_check(const ModelConfig *c, const char *path, Error *e)
{
    if (!c->arch)
        return error_set(e, "%s: no architecture is given", path);
    const int64_t most = c->arch->layers_max;
    if (!ranges_check(c, path, e))
        return false;
    if (c->vision.num_hidden_layers > most || c->text.num_hidden_layers > most)
        return error_set(e, "%s: \"num_hidden_layers\" must be at most %lld", path, (long long)most);
    return c->arch->check(c, path, e);
}

size_t config_patches(const ModelConfig *c)
{
    size_t side = (size_t)(c->vision.image_size / c->vision.patch_size);
    return side * side;
}

size_t config_image_tokens(const ModelConfig *c)
{
    return c->arch->image_tokens(c);
}

Shape config_pixels(const ModelConfig *c)
{
    return c->arch->pixels(c);
}

size_t config_positions(const ModelConfig *c)
{
    enum { POSITIONS_MAX = 4096 };       // so that the tables of rotary angles stay small
    return c->text.max_position_embeddings < POSITIONS_MAX ? (size_t)c->text.max_position_embeddings : POSITIONS_MAX;
}

size_t config_vision_layers(const ModelConfig *c)
{
    int64_t k = c->vision_feature_layer;
    return (size_t)(k < 0 ? c->vision.num_hidden_layers + 1 + k : k);
}

/* --- Writing --- */

static json_t *key_json(const ModelConfig *c, const ConfigKey *k)
{
    const void *at = (const char *)c + k->offset;
    switch (k->kind) {
    case KEY_INT:    return *(const int64_t *)at == -1 && k->least == -1 ? json_null() : json_integer(*(const int64_t *)at);
    case KEY_FLOAT:  return json_decimal(*(const float *)at);
    case KEY_BOOL:   return json_boolean(*(const bool *)at);
    case KEY_ACT:    return json_string(act_names[*(const int *)at]);
    case KEY_SELECT: return json_string(select_names[*(const int *)at]);
    default:     return json_constant(k->fixed, NULL);
    }
}

static json_t *section_json(const ModelConfig *c, ConfigSection section)
{
    json_t *object = json_object();
    for (size_t i = 0; i < c->arch->key_count; i++)
        if (c->arch->keys[i].section == section && c->arch->keys[i].kind < KEY_DERIVED)
            json_put(object, c->arch->keys[i].name, key_json(c, &c->arch->keys[i]));
    return object;
}

json_t *config_json(const ModelConfig *c)
{
    json_t *top = section_json(c, SECTION_TOP), *text = section_json(c, SECTION_TEXT);
    json_put(text, "rope_scaling", json_null());
    json_put(top, "architectures", json_pack("[s]", c->arch->class_name));
    json_put(top, "image_seq_length", json_integer((json_int_t)config_image_tokens(c)));
    json_put(top, "pad_token_id", json_incref(json_object_get(text, "pad_token_id")));
    json_put(top, "tie_word_embeddings", json_boolean(c->text.tie_word_embeddings));
    json_put(top, "torch_dtype", json_string("float32"));
    json_put(top, "text_config", text);
    json_put(top, "vision_config", section_json(c, SECTION_VISION));
    return top;
}

bool config_save(const ModelConfig *c, const char *folder, Error *e)
{
    Arena a = arena_make(e);
    const char *path = arena_format(&a, "%s/config.json", folder);
    json_t *top = config_json(c);
    bool good = path && config_check(c, path, e) && json_save(path, top, e);
    json_decref(top);
    arena_free(&a);
    return good;
}
