/* SPDX-License-Identifier: MIT */
/* Reads a tokenizer.json: vocabulary, merges, added tokens and template. tokenizer_steps.c reads the steps. */
#include "model/text/tokenizer_parts.h"

#include <string.h>
#include "model/text/tokenizer_steps.h"
#include "model/text/utf8.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tensor/base/limits.h"

bool tokenizer_refuse(const Tokenizer *t, const char *what, Error *e)
{
    return error_set(e, "%s: %s", t->name, what);
}

bool tokenizer_flag(const json_t *object, const char *key, bool otherwise)
{
    const json_t *v = json_object_get(object, key);
    return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

static Span keep(const char *at, size_t n, Arena *a)
{
    char *copy = arena_alloc(a, n + 1);
    if (!copy)
        return (Span){ NULL, 0 };
    memcpy(copy, at, n);
    copy[n] = 0;
    return (Span){ copy, n };
}

Span tokenizer_keep(const json_t *string, Arena *a)
{
    return keep(json_string_value(string), json_string_length(string), a);
}

static bool id_valid(const Tokenizer *t, const json_t *id, const char *token, Error *e)
{
    if (json_is_integer(id) && json_integer_value(id) >= 0 && json_integer_value(id) < LIMIT_TOKEN_ID)
        return true;
    return error_set(e, "%s: the id of token \"%.80s\" is not an integer of 0 to %d", t->name, token,
                     LIMIT_TOKEN_ID - 1);
}

/* Makes room for all ids of the vocabulary and of the added tokens. */
static bool tables_make(Tokenizer *t, const json_t *vocab, const json_t *added, Arena *a, Error *e)
{
    const char *key;
    json_t *v;
    size_t i, largest = 0, slots = 16;
    json_object_foreach((json_t *)vocab, key, v) {
        if (!id_valid(t, v, key, e))
            return false;
        if ((size_t)json_integer_value(v) > largest)
            largest = (size_t)json_integer_value(v);
    }
    json_array_foreach(added, i, v) {
        const json_t *content = json_object_get(v, "content");
        if (!json_is_string(content) || !json_string_length(content))
            return error_set(e, "%s: added_tokens[%zu] has no content", t->name, i);
        if (!id_valid(t, json_object_get(v, "id"), json_string_value(content), e))
            return false;
        if ((size_t)json_integer_value(json_object_get(v, "id")) > largest)
            largest = (size_t)json_integer_value(json_object_get(v, "id"));
    }
    t->size = largest + 1;
    while (slots < 2 * (json_object_size(vocab) + json_array_size(added)))
        slots *= 2;
    t->token = arena_array(a, t->size, sizeof *t->token);
    t->slot = arena_array(a, slots, sizeof *t->slot);
    t->slot_mask = slots - 1;
    if (!t->token || !t->slot)
        return tokenizer_refuse(t, "no memory for the vocabulary", e);
    memset(t->token, 0, t->size * sizeof *t->token);
    memset(t->slot, -1, slots * sizeof *t->slot);
    return true;
}

static bool token_place(Tokenizer *t, int32_t id, Span token, Error *e)
{
    if (!token.at)
        return tokenizer_refuse(t, "no memory for the vocabulary", e);
    if (t->token[id].at)
        return error_set(e, "%s: tokens \"%.80s\" and \"%.80s\" have the same id %d", t->name, t->token[id].at,
                         token.at, (int)id);
    t->token[id] = token;
    tokenizer_index_token(t, id);
    return true;
}

static bool vocabulary_read(Tokenizer *t, const json_t *vocab, Arena *a, Error *e)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)vocab, key, v)
        if (!token_place(t, (int32_t)json_integer_value(v), keep(key, strlen(key), a), e))
            return false;
    return true;
}

/* A merge is "left right" or ["left", "right"]. */
static bool merge_sides(const json_t *m, Span *left, Span *right)
{
    if (json_is_array(m) && json_array_size(m) == 2) {
        const json_t *l = json_array_get(m, 0), *r = json_array_get(m, 1);
        *left = (Span){ json_string_value(l), json_string_length(l) };
        *right = (Span){ json_string_value(r), json_string_length(r) };
        return left->n && right->n;
    }
    const char *text = json_string_value(m), *space = text ? strchr(text, ' ') : NULL;
    if (!space || strchr(space + 1, ' '))
        return false;
    *left = (Span){ text, (size_t)(space - text) };
    *right = (Span){ space + 1, strlen(space + 1) };
    return left->n && right->n;
}

static bool merge_read(Tokenizer *t, const json_t *m, size_t rank, TextBuffer *both, Error *e)
{
    Span left, right;
    if (!merge_sides(m, &left, &right))
        return error_set(e, "%s: model.merges[%zu] is not a pair of tokens", t->name, rank);
    both->n = 0;
    if (!buffer_add(both, left.at, left.n) || !buffer_add(both, right.at, right.n))
        return tokenizer_refuse(t, "no memory for the merges", e);
    int32_t l = tokenizer_find(t, left), r = tokenizer_find(t, right), merged = tokenizer_find(t, buffer_span(both));
    if (l < 0 || r < 0 || merged < 0)
        return error_set(e, "%s: model.merges[%zu]: \"%.*s\" is not in the vocabulary", t->name, rank,
                         (int)(both->n < 80 ? both->n : 80), both->at);
    t->merged[rank] = merged;
    pair_map_set(&t->merges, l, r, (int32_t)rank);
    return true;
}

static bool merges_read(Tokenizer *t, const json_t *merges, Arena *a, Error *e)
{
    size_t i, count = json_array_size(merges);
    json_t *m;
    TextBuffer both = { .arena = a };
    t->merged = arena_array(a, count + 1, sizeof *t->merged);
    if (!t->merged || !pair_map_make(&t->merges, count, a))
        return tokenizer_refuse(t, "no memory for the merges", e);
    json_array_foreach(merges, i, m)
        if (!merge_read(t, m, i, &both, e))
            return false;
    return true;
}

static bool unset(const json_t *v) { return !v || json_is_null(v) || (json_is_string(v) && !json_string_length(v)); }

static bool model_options(Tokenizer *t, const json_t *model, Error *e)
{
    const char *type = json_string_value(json_object_get(model, "type"));
    const json_t *dropout = json_object_get(model, "dropout"), *unk = json_object_get(model, "unk_token");
    if (type && strcmp(type, "BPE"))
        return error_set(e, "%s: model.type \"%.40s\" is not supported, expected \"BPE\"", t->name, type);
    if (!unset(dropout) && !(json_is_number(dropout) && json_number_value(dropout) == 0))
        return tokenizer_refuse(t, "model.dropout is not supported, expected null", e);
    if (!unset(json_object_get(model, "continuing_subword_prefix"))
        || !unset(json_object_get(model, "end_of_word_suffix")))
        return tokenizer_refuse(t, "model.continuing_subword_prefix and model.end_of_word_suffix are not supported, expected null", e);
    t->byte_fallback = tokenizer_flag(model, "byte_fallback", false);
    t->fuse_unk = tokenizer_flag(model, "fuse_unk", false);
    t->ignore_merges = tokenizer_flag(model, "ignore_merges", false);
    t->unk = json_is_string(unk) ? tokenizer_find(t, (Span){ json_string_value(unk), json_string_length(unk) }) : -1;
    if (json_is_string(unk) && t->unk < 0)
        return error_set(e, "%s: model.unk_token \"%.40s\" is not in the vocabulary", t->name, json_string_value(unk));
    if (!t->byte_fallback && t->unk < 0)
        return tokenizer_refuse(t, "model has neither byte_fallback nor unk_token, expected one of them: unknown characters would "
                                   "vanish (byte-level BPE is not supported)", e);
    return true;
}

static bool bytes_find(Tokenizer *t, Error *e)
{
    static const char digit[] = "0123456789ABCDEF";
    for (int b = 0; b < 256; b++) {
        char name[7] = { '<', '0', 'x', digit[b >> 4], digit[b & 15], '>', 0 };
        t->byte[b] = tokenizer_find(t, (Span){ name, 6 });
        if (t->byte_fallback && t->byte[b] < 0)
            return error_set(e, "%s: model.byte_fallback is true, but the vocabulary has no token \"%s\"", t->name, name);
    }
    return true;
}

static bool added_read(Tokenizer *t, const json_t *list, Arena *a, Error *e)
{
    size_t i;
    json_t *v;
    t->added = arena_array(a, json_array_size(list) + 1, sizeof *t->added);
    if (!t->added)
        return tokenizer_refuse(t, "no memory for the added tokens", e);
    json_array_foreach(list, i, v) {
        int32_t id = (int32_t)json_integer_value(json_object_get(v, "id"));
        Span text = tokenizer_keep(json_object_get(v, "content"), a);
        int32_t known_id = text.at ? tokenizer_find(t, text) : -1;
        if (known_id >= 0 && known_id != id)
            return error_set(e, "%s: added token \"%.80s\" has id %d, but the vocabulary says %d", t->name, text.at,
                             (int)id, (int)known_id);
        if (known_id < 0 && !token_place(t, id, text, e))
            return false;
        bool special = tokenizer_flag(v, "special", false);
        t->added[t->added_count++] = (AddedToken){
            .text = text, .id = id, .special = special, .single_word = tokenizer_flag(v, "single_word", false),
            .lstrip = tokenizer_flag(v, "lstrip", false), .rstrip = tokenizer_flag(v, "rstrip", false),
            .normalized = tokenizer_flag(v, "normalized", !special) };
    }
    return true;
}

/* Adds the ids of a special token of the template. `past`: the token comes after the text. */
static bool template_add(Tokenizer *t, const json_t *specials, const json_t *item, bool past, Error *e)
{
    const char *name = json_string_value(json_object_get(json_object_get(item, "SpecialToken"), "id"));
    const json_t *ids = name ? json_object_get(json_object_get(specials, name), "ids") : NULL;
    size_t i;
    json_t *v;
    if (!json_is_array(ids))
        return tokenizer_refuse(t, "post_processor.single has an item that is neither the sequence A nor a known special token", e);
    json_array_foreach(ids, i, v) {
        size_t *count = past ? &t->after_count : &t->before_count;
        int64_t id = json_is_integer(v) ? (int64_t)json_integer_value(v) : -1;
        if (id < 0 || (size_t)id >= t->size || !t->token[id].at || *count == TEMPLATE_MAX)
            return error_set(e, "%s: post_processor.special_tokens \"%.40s\" must have ids of tokens, at most %d of them before and "
                             "after a text", t->name,
                             name, TEMPLATE_MAX);
        (past ? t->after : t->before)[(*count)++] = (int32_t)id;
    }
    return true;
}

static bool template_read(Tokenizer *t, const json_t *post, Error *e)
{
    size_t i;
    json_t *item;
    bool past = false;
    if (unset(post))
        return true;
    const char *type = json_string_value(json_object_get(post, "type"));
    const json_t *single = json_object_get(post, "single"), *specials = json_object_get(post, "special_tokens");
    if (!type || strcmp(type, "TemplateProcessing") || !json_is_array(single))
        return error_set(e, "%s: post_processor \"%.40s\" is not supported, expected TemplateProcessing", t->name, type ? type : "");
    json_array_foreach(single, i, item) {
        if (!past && json_object_get(item, "Sequence"))
            past = true;
        else if (!template_add(t, specials, item, past, e))
            return false;
    }
    return past || tokenizer_refuse(t, "post_processor.single has no sequence A", e);
}

static bool tokenizer_fill(Tokenizer *t, const json_t *root, Arena *a, Error *e)
{
    const json_t *model = json_object_get(root, "model"), *vocab = json_object_get(model, "vocab");
    const json_t *added = json_object_get(root, "added_tokens"), *merges = json_object_get(model, "merges");
    if (!unset(json_object_get(root, "truncation")))
        return tokenizer_refuse(t, "truncation is not supported, expected null", e);
    if (!json_is_object(vocab))
        return tokenizer_refuse(t, "model.vocab is not an object", e);
    if (!json_is_array(merges))
        return tokenizer_refuse(t, "model.merges is not a list", e);
    if (!unset(added) && !json_is_array(added))
        return tokenizer_refuse(t, "added_tokens is not a list", e);
    return tables_make(t, vocab, added, a, e)
        && vocabulary_read(t, vocab, a, e)
        && model_options(t, model, e)
        && bytes_find(t, e)
        && merges_read(t, merges, a, e)
        && added_read(t, added, a, e)
        && template_read(t, json_object_get(root, "post_processor"), e)
        && tokenizer_steps_read(t, root, a, e);
}

static const Tokenizer *tokenizer_from(json_t *root, const char *name, Arena *a, Error *e)
{
    Tokenizer *t = root ? arena_zalloc(a, sizeof *t) : NULL;
    bool ok = false;
    if (t && (t->name = arena_text(a, name)))
        ok = tokenizer_fill(t, root, a, e);
    else if (root)
        error_no_memory(e, "%s: no memory for a tokenizer", name);
    json_decref(root);
    return ok ? t : NULL;
}

const Tokenizer *tokenizer_open(const char *path, Arena *a, Error *e)
{
    return tokenizer_from(json_file(path, LIMIT_TOKENIZER, e), path, a, e);
}

const Tokenizer *tokenizer_parse(const char *json, size_t n, const char *name, Arena *a, Error *e)
{
    return tokenizer_from(json_parse(json, n, name, e), name, a, e);
}

size_t tokenizer_size(const Tokenizer *t) { return t->size; }

int32_t tokenizer_id(const Tokenizer *t, const char *token)
{
    return tokenizer_find(t, (Span){ token, strlen(token) });
}

const char *tokenizer_token(const Tokenizer *t, int32_t id)
{
    return id >= 0 && (size_t)id < t->size ? t->token[id].at : NULL;
}

int32_t tokenizer_unknown(const Tokenizer *t) { return t->byte_fallback ? -1 : t->unk; }

bool tokenizer_is_special(const Tokenizer *t, int32_t id)
{
    for (size_t i = 0; i < t->added_count; i++)
        if (t->added[i].id == id && t->added[i].special)
            return true;
    return false;
}
