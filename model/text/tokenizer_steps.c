/* SPDX-License-Identifier: MIT */
#include "model/text/tokenizer_steps.h"

#include <string.h>
#include "model/text/utf8.h"

typedef bool StepReader(TextStep *s, const json_t *item, const Tokenizer *t, Arena *a, Error *e);

static bool read_text(Span *out, const json_t *item, const char *key, const Tokenizer *t, Arena *a, Error *e)
{
    const json_t *v = json_object_get(item, key);
    if (!json_is_string(v))
        return error_set(e, "%s: \"%s\" of step \"%s\" is not a string", t->name, key,
                         json_string_value(json_object_get(item, "type")));
    *out = tokenizer_keep(v, a);
    return out->at || tokenizer_refuse(t, "no memory for a step", e);
}

static bool read_prepend(TextStep *s, const json_t *item, const Tokenizer *t, Arena *a, Error *e)
{
    s->kind = STEP_PREPEND;
    return read_text(&s->to, item, "prepend", t, a, e);
}

static bool read_replace(TextStep *s, const json_t *item, const Tokenizer *t, Arena *a, Error *e)
{
    const json_t *pattern = json_object_get(json_object_get(item, "pattern"), "String");
    s->kind = STEP_REPLACE;
    if (!json_is_string(pattern) || !json_string_length(pattern))
        return tokenizer_refuse(t, "a Replace step's pattern is not supported, expected {\"String\": \"…\"}", e);
    s->from = tokenizer_keep(pattern, a);
    return s->from.at && read_text(&s->to, item, "content", t, a, e);
}

static bool read_bytes(TextStep *s, const json_t *item, const Tokenizer *t, Arena *a, Error *e)
{
    (void)item, (void)t, (void)a, (void)e;
    s->kind = STEP_BYTES;
    return true;
}

static bool read_fuse(TextStep *s, const json_t *item, const Tokenizer *t, Arena *a, Error *e)
{
    (void)item, (void)t, (void)a, (void)e;
    s->kind = STEP_FUSE;
    return true;
}

static bool read_words(TextStep *s, const json_t *item, const Tokenizer *t, Arena *a, Error *e)
{
    (void)item, (void)t, (void)a, (void)e;
    s->kind = STEP_WORDS;
    return true;
}

static bool read_strip(TextStep *s, const json_t *item, const Tokenizer *t, Arena *a, Error *e)
{
    const json_t *start = json_object_get(item, "start"), *stop = json_object_get(item, "stop");
    s->kind = STEP_STRIP;
    if (!json_is_integer(start) || json_integer_value(start) < 0 || !json_is_integer(stop)
        || json_integer_value(stop) < 0)
        return tokenizer_refuse(t, "decoder Strip: start and stop must be whole numbers of at least 0", e);
    s->left = (size_t)json_integer_value(start);
    s->right = (size_t)json_integer_value(stop);
    if (!read_text(&s->to, item, "content", t, a, e))
        return false;
    return s->to.n > 0 || tokenizer_refuse(t, "decoder Strip: content is empty", e);
}

static bool read_metaspace(TextStep *s, const json_t *item, const Tokenizer *t, Arena *a, Error *e)
{
    const char *scheme = json_string_value(json_object_get(item, "prepend_scheme"));
    uint32_t c;
    s->kind = STEP_METASPACE;
    s->split = tokenizer_flag(item, "split", true);
    if (!scheme)
        scheme = tokenizer_flag(item, "add_prefix_space", true) ? "always" : "never";
    if (strcmp(scheme, "always") && strcmp(scheme, "first") && strcmp(scheme, "never"))
        return error_set(e, "%s: Metaspace: prepend_scheme \"%.40s\" is not always, first or never", t->name, scheme);
    s->prepend = *scheme == 'a' ? PREPEND_ALWAYS : *scheme == 'f' ? PREPEND_FIRST : PREPEND_NEVER;
    if (!read_text(&s->to, item, "replacement", t, a, e))
        return false;
    return (s->to.n > 0 && utf8_next(s->to.at, s->to.n, &c) == s->to.n)
        || tokenizer_refuse(t, "Metaspace: replacement is not one character", e);
}

static const struct { const char *part, *type; StepReader *read; } known[] = {
    { "normalizer", "Prepend", read_prepend },     { "normalizer", "Replace", read_replace },
    { "pre_tokenizer", "Metaspace", read_metaspace }, { "pre_tokenizer", "WhitespaceSplit", read_words },
    { "decoder", "Replace", read_replace },        { "decoder", "ByteFallback", read_bytes },
    { "decoder", "Fuse", read_fuse },              { "decoder", "Strip", read_strip },
    { "decoder", "Metaspace", read_metaspace },
};

static bool step_read(TextSteps *steps, const char *part, const json_t *item, const Tokenizer *t, Arena *a, Error *e)
{
    const char *type = json_string_value(json_object_get(item, "type"));
    if (!type)
        return error_set(e, "%s: %s has a step without a type", t->name, part);
    if (steps->count == sizeof steps->step / sizeof *steps->step)
        return error_set(e, "%s: %s has more than %zu steps", t->name, part, steps->count);
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        if (!strcmp(known[k].part, part) && !strcmp(known[k].type, type))
            return known[k].read(&steps->step[steps->count++], item, t, a, e);
    return error_set(e, "%s: %s \"%.40s\" is not supported", t->name, part, type);
}

/* Reads the steps of a Sequence, which are in its `list` ("normalizers", "pretokenizers" or "decoders"), or one
 * step. */
static bool part_read(TextSteps *steps, const char *part, const char *list, const json_t *root, const Tokenizer *t,
                      Arena *a, Error *e)
{
    const json_t *value = json_object_get(root, part);
    const char *type = json_string_value(json_object_get(value, "type"));
    size_t i;
    json_t *item;
    if (!value || json_is_null(value))
        return true;
    if (!type || strcmp(type, "Sequence"))
        return step_read(steps, part, value, t, a, e);
    if (!json_is_array(json_object_get(value, list)))
        return error_set(e, "%s: %s.%s is not a list", t->name, part, list);
    json_array_foreach(json_object_get(value, list), i, item)
        if (!step_read(steps, part, item, t, a, e))
            return false;
    return true;
}

bool tokenizer_steps_read(Tokenizer *t, const json_t *root, Arena *a, Error *e)
{
    return part_read(&t->normalizer, "normalizer", "normalizers", root, t, a, e)
        && part_read(&t->pre, "pre_tokenizer", "pretokenizers", root, t, a, e)
        && part_read(&t->decoder, "decoder", "decoders", root, t, a, e);
}
