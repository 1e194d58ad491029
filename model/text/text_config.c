/* SPDX-License-Identifier: MIT */
#include "model/text/text_config.h"

#include <string.h>
#include "model/text/tokenizer_parts.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tensor/base/limits.h"

// tokenizer_config.def and generation_config.def describe the rules
typedef enum { RULE_READ, RULE_TOKEN, RULE_NOTHING, RULE_ONE, RULE_EMPTY } Rule;
typedef struct { const char *name; Rule rule; const char *why; } Key;

static const Key tokenizer_keys[] = {
#define TOKENIZER_KEY(name, rule, why) { name, RULE_##rule, why },
#include "model/text/tokenizer_config.def"
};
static const Key generation_keys[] = {
#define GENERATION_KEY(name, rule, why) { name, RULE_##rule, why },
#include "model/text/generation_config.def"
};

/* HOW_TEXT: a file about tokens; HOW_GENERATION: generation_config.json; HOW_GREEDY: only the end token of
 * generation_config.json is checked, because the user chose greedy decoding. */
typedef enum { HOW_TEXT, HOW_GENERATION, HOW_GREEDY } How;

/* One of the files, as it is read. */
typedef struct {
    const char      *path;
    const json_t    *root;
    const Tokenizer *tokenizer;
    int64_t          end;            // the id of the token that ends an answer
    How              how;
    Error           *error;
} Reading;

typedef bool (*KeyRead)(const Reading *r, const char *key, const json_t *value);

static bool is_empty(const json_t *v)
{
    return json_is_null(v) || json_is_false(v) || (json_is_number(v) && json_number_value(v) == 0)
        || (json_is_string(v) && !json_string_length(v))
        || (json_is_object(v) && !json_object_size(v)) || (json_is_array(v) && !json_array_size(v));
}

/* --- Tokens --- */

/* The text of a token. In the file, a token is a text, or an object with flags; NULL: it is neither. */
static const char *token_text(const json_t *v)
{
    return json_string_value(json_is_object(v) ? json_object_get(v, "content") : v);
}

static bool token_check(const Reading *r, const char *key, const json_t *value)
{
    const char *text = token_text(value);
    const Tokenizer *t = r->tokenizer;
    if (json_is_null(value) || (text && !*text))
        return true;
    if (!text)
        return error_set(r->error, "%s: \"%s\" must be a token or null", r->path, key);
    return tokenizer_is_special(t, tokenizer_id(t, text))
        || error_set(r->error, "%s: \"%s\" is \"%.80s\", expected a special token of %s", r->path, key, text, t->name);
}

/* A token, a list of tokens, or an object that names tokens. */
static bool tokens_check(const Reading *r, const char *key, const json_t *value)
{
    const char *name;
    json_t *one;
    size_t i;
    json_array_foreach(value, i, one)
        if (!token_check(r, key, one))
            return false;
    if (json_is_array(value) || (json_is_object(value) && !json_object_size(value)))
        return true;
    if (!json_is_object(value) || token_text(value))
        return token_check(r, key, value);
    json_object_foreach((json_t *)value, name, one)
        if (!token_check(r, name, one))
            return false;
    return true;
}

static const AddedToken *added_find(const Tokenizer *t, const char *id)
{
    char text[16];
    for (size_t i = 0; i < t->added_count; i++) {
        snprintf(text, sizeof text, "%d", (int)t->added[i].id);
        if (!strcmp(text, id))
            return &t->added[i];
    }
    return NULL;
}

static bool same_flag(const json_t *token, const char *flag, bool value)
{
    const json_t *v = json_object_get(token, flag);
    return !json_is_boolean(v) || json_is_true(v) == value;
}

/* Checks the object added_tokens_decoder, whose keys are ids as texts, and whose values are tokens with their flags. */
static bool added_check(const Reading *r, const char *key, const json_t *value)
{
    const char *id;
    json_t *one;
    if (!json_is_object(value) && !json_is_null(value))
        return error_set(r->error, "%s: \"%s\" must be an object from ids to tokens", r->path, key);
    json_object_foreach((json_t *)value, id, one) {
        const AddedToken *a = added_find(r->tokenizer, id);
        const char *text = token_text(one);
        if (!a || !text || strcmp(a->text.at, text) || !same_flag(one, "lstrip", a->lstrip) || !same_flag(one, "rstrip", a->rstrip)
            || !same_flag(one, "single_word", a->single_word) || !same_flag(one, "normalized", a->normalized)
            || !same_flag(one, "special", a->special))
            return error_set(r->error, "%s: \"%s\" describes the token %s otherwise than %s", r->path, key, id,
                             r->tokenizer->name);
    }
    return true;
}

/* --- What tokenizer.json does by itself --- */

/* Whether the template adds tokens on one side of a text: the `count` ids at `id`. If the file gives a token under
 * `key` ("bos_token" or "eos_token"), the answer is true only if exactly this token is added. */
static bool adds(const Reading *r, const int32_t *id, size_t count, const char *key)
{
    const char *text = token_text(json_object_get(r->root, key));
    return count && (!text || !*text || (count == 1 && *id == tokenizer_id(r->tokenizer, text)));
}

/* Whether some step puts a mark before the first word of a text. */
static bool marks_first(const TextSteps *s)
{
    for (size_t k = 0; k < s->count; k++)
        if (s->step[k].kind == STEP_PREPEND || (s->step[k].kind == STEP_METASPACE && s->step[k].prepend != PREPEND_NEVER))
            return true;
    return false;
}

/* The value may be null, true if `yes`, and false if `no`. */
static bool agrees(const Reading *r, const char *key, const json_t *value, bool yes, bool no)
{
    return json_is_null(value) || (json_is_true(value) && yes) || (json_is_false(value) && no)
        || error_set(r->error, "%s: \"%s\" must be null%s, to agree with %s", r->path, key, yes ? " or true" : no ? " or false" : "",
                     r->tokenizer->name);
}

static bool tokenizer_read(const Reading *r, const char *key, const json_t *value)
{
    const Tokenizer *t = r->tokenizer;
    if (!strcmp(key, "add_bos_token"))
        return agrees(r, key, value, adds(r, t->before, t->before_count, "bos_token"), !t->before_count);
    if (!strcmp(key, "add_eos_token"))
        return agrees(r, key, value, adds(r, t->after, t->after_count, "eos_token"), !t->after_count);
    if (!strcmp(key, "add_prefix_space")) {
        const bool marked = marks_first(&t->normalizer) || marks_first(&t->pre);
        return agrees(r, key, value, marked, !marked);
    }
    return strcmp(key, "added_tokens_decoder") || added_check(r, key, value);
}

/* Whether the value is the id of the end token, or a list with no other id. */
static bool is_end(const Reading *r, const json_t *value)
{
    size_t i = 0;
    while (i < json_array_size(value) && is_end(r, json_array_get(value, i)))
        i++;
    return json_is_array(value) ? i && i == json_array_size(value) : json_is_number(value) && json_number_value(value) == (double)r->end;
}

static bool generation_read(const Reading *r, const char *key, const json_t *value)
{
    return json_is_null(value) || is_end(r, value)
        || error_set(r->error, "%s: \"%s\" must be %lld as in config.json, because no other token ends an answer", r->path, key,
                     (long long)r->end);
}

/* --- The files --- */

static bool key_check(const Reading *r, const Key *k, KeyRead read, const char *key, const json_t *value)
{
    const Rule rule = k ? k->rule : RULE_EMPTY;
    if (rule == RULE_NOTHING || (rule != RULE_READ && r->how == HOW_GREEDY) || (rule == RULE_EMPTY && is_empty(value)))
        return true;
    if (rule == RULE_READ || rule == RULE_TOKEN)
        return rule == RULE_READ ? read(r, key, value) : tokens_check(r, key, value);
    if (rule == RULE_ONE && (json_is_null(value) || (json_is_number(value) && json_number_value(value) == 1)))
        return true;
    return error_set(r->error, "%s: \"%s\" asks for what is not computed here%s%s%s%s", r->path, key, k ? " (" : "", k ? k->why : "",
                     k ? ")" : "", r->how == HOW_GENERATION ? "; data.generation = greedy, or ask --greedy, ignores it" : "");
}

static bool keys_check(const Reading *r, const Key *keys, size_t count, KeyRead read)
{
    const char *key;
    json_t *value;
    if (!json_is_object(r->root))
        return error_set(r->error, "%s: must be an object", r->path);
    json_object_foreach((json_t *)r->root, key, value) {
        size_t k = 0;
        while (k < count && strcmp(keys[k].name, key))
            k++;
        if (!key_check(r, k < count ? &keys[k] : NULL, read, key, value))
            return false;
    }
    return true;
}

static bool file_check(const char *path, const Tokenizer *t, int64_t end, const Key *keys, size_t count, KeyRead read, How how,
                       Error *e)
{
    if (!path || !file_exists(path))
        return path != NULL;
    json_t *root = json_file_wide(path, LIMIT_TEXT_CONFIG, e);
    const Reading r = { path, root, t, end, how, e };
    const bool good = root && keys_check(&r, keys, count, read);
    json_decref(root);
    return good;
}

bool text_config_check(const char *folder, const Tokenizer *t, int64_t end, Error *e)
{
    static const char *const files[] = { "tokenizer_config.json", "special_tokens_map.json" };
    Arena a = arena_make(e);
    bool good = true;
    for (size_t k = 0; good && k < sizeof files / sizeof *files; k++)
        good = file_check(arena_format(&a, "%s/%s", folder, files[k]), t, end, tokenizer_keys,
                          sizeof tokenizer_keys / sizeof *tokenizer_keys, tokenizer_read, HOW_TEXT, e);
    arena_free(&a);
    return good;
}

bool generation_config_check(const char *folder, const Tokenizer *t, int64_t end, bool greedy, Error *e)
{
    const size_t keys = sizeof generation_keys / sizeof *generation_keys;
    Arena a = arena_make(e);
    const char *path = arena_format(&a, "%s/generation_config.json", folder);
    const bool good = file_check(path, t, end, generation_keys, keys, generation_read, greedy ? HOW_GREEDY : HOW_GENERATION, e);
    arena_free(&a);
    return good;
}
