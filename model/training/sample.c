/* SPDX-License-Identifier: MIT */
#include "model/training/sample.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "tensor/base/json.h"

enum { OPTIONS_MAX = 64 };

static const char *const splits[] = { "train", "test" };
static const char *const modalities[] = { "text", "image" };
static const char *const uses[] = { "any", "matching", "reporting" };
static const char *const kinds[] = { "open", "choice", "cloze", "reverse", "name" };

const char *kind_name(Kind k) { return kinds[k]; }

const char *sample_pair(const char *id, Arena *a)
{
    const char *dash = strrchr(id, '-');
    const bool has_ending = dash && dash > id && (!strcmp(dash, "-image") || !strcmp(dash, "-text"));
    return has_ending ? arena_format(a, "%.*s", (int)(dash - id), id) : NULL;
}

static const struct { const char *key; size_t at; bool needed; } texts[] = {
    { "id", offsetof(Sample, id), true },              { "question", offsetof(Sample, question), true },
    { "answer", offsetof(Sample, answer), true },      { "entity", offsetof(Sample, entity), false },
    { "group", offsetof(Sample, group), false },       { "skill", offsetof(Sample, skill), false },
    { "image", offsetof(Sample, image), false },       { "pair", offsetof(Sample, pair), false },
};
static const char *const others[] = { "split", "modality", "options", "kind", "frame", "augment", "step", "exposures", "use" };

static bool keys_check(const json_t *object, Error *e)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) {
        bool known = false;
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
            known |= !strcmp(key, texts[k].key);
        for (size_t k = 0; k < sizeof others / sizeof *others; k++)
            known |= !strcmp(key, others[k]);
        if (!known)
            return error_set(e, "the key \"%.60s\" is unknown", key);
    }
    return true;
}

static bool texts_read(Sample *s, const json_t *object, Arena *a, Error *e)
{
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
        const json_t *v = json_object_get(object, texts[k].key);
        const char *text = json_string_value(v), **out = (const char **)((char *)s + texts[k].at);
        if (v && !json_is_null(v) && !text)
            return error_set(e, "\"%s\" must be text", texts[k].key);
        if (texts[k].needed && (!text || !*text))
            return error_set(e, "\"%s\" is missing or empty", texts[k].key);
        if (text && !(*out = arena_text(a, text)))
            return error_no_memory(e, "no memory for the sample");
    }
    return true;
}

/* Reads a word as its index in a list of allowed words. If the key is absent, *out is not changed. */
static bool word_read(int *out, const json_t *object, const char *key, const char *const *word, size_t count, Error *e)
{
    const json_t *v = json_object_get(object, key);
    const char *text = json_string_value(v);
    if (!v || json_is_null(v))
        return true;
    for (size_t k = 0; text && k < count; k++)
        if (!strcmp(text, word[k])) {
            *out = (int)k;
            return true;
        }
    char list[80] = "";
    for (size_t k = 0, n = 0; k < count; k++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s\"%s\"", k == 0 ? "" : k + 1 < count ? ", " : " or ", word[k]);
    return error_set(e, "\"%s\" is \"%.40s\", expected %s", key, text ? text : "", list);
}

static bool words_read(Sample *s, const json_t *object, Error *e)
{
    int split = SPLIT_TRAIN, modality = s->image ? MODALITY_IMAGE : MODALITY_TEXT, kind = KIND_OPEN, use = USE_ANY;
    if (!word_read(&split, object, "split", splits, 2, e) || !word_read(&modality, object, "modality", modalities, 2, e)
        || !word_read(&kind, object, "kind", kinds, KIND_NAME + 1, e) || !word_read(&use, object, "use", uses, 3, e))
        return false;
    s->split = (Split)split;
    s->modality = (Modality)modality;
    s->kind = (Kind)kind;
    s->use = (Use)use;
    if (s->use != USE_ANY && s->split != SPLIT_TEST)
        return error_set(e, "\"use\" is \"%s\", but \"split\" is not \"test\"", uses[use]);
    if ((s->modality == MODALITY_IMAGE) != (s->image != NULL))
        return error_set(e, "\"modality\" is \"%s\", but there is %s \"image\"", modalities[modality], s->image ? "an" : "no");
    return true;
}

static bool number_read(int64_t *out, const json_t *object, const char *key, Error *e)
{
    const json_t *v = json_object_get(object, key);
    *out = -1;
    if (v && !json_is_null(v) && (!json_is_integer(v) || json_integer_value(v) < -1))
        return error_set(e, "\"%s\" must be a whole number of at least 0, or -1 for none", key);
    if (json_is_integer(v))
        *out = json_integer_value(v);
    return true;
}

static bool rest_read(Sample *s, const json_t *object, Error *e)
{
    const json_t *augment = json_object_get(object, "augment");
    if (augment && !json_is_boolean(augment))
        return error_set(e, "\"augment\" must be true or false");
    s->augment = json_is_true(augment);
    if (s->augment && !s->image)
        return error_set(e, "\"augment\" is true, but there is no \"image\"");
    return number_read(&s->frame, object, "frame", e) && number_read(&s->step, object, "step", e)
        && number_read(&s->exposures, object, "exposures", e);
}

static bool options_read(Sample *s, const json_t *object, Arena *a, Error *e)
{
    const json_t *list = json_object_get(object, "options");
    bool found = false;
    if (!list || json_is_null(list))
        return s->kind != KIND_CHOICE || error_set(e, "\"kind\" is \"choice\", but there are no \"options\"");
    if (!json_is_array(list) || json_array_size(list) < 2 || json_array_size(list) > OPTIONS_MAX)
        return error_set(e, "\"options\" must be a list of 2 to %d texts", OPTIONS_MAX);
    s->options = arena_array(a, json_array_size(list), sizeof *s->options);
    for (size_t k = 0; s->options && k < json_array_size(list); k++) {
        const char *text = json_string_value(json_array_get(list, k));
        if (!text || !*text)
            return error_set(e, "option %zu is not a text", k + 1);
        for (size_t i = 0; i < k; i++)
            if (!strcmp(s->options[i], text))
                return error_set(e, "option \"%.60s\" appears twice", text);
        found |= !strcmp(text, s->answer);
        if (!(s->options[k] = arena_text(a, text)))
            return error_no_memory(e, "no memory for the sample");
        s->option_count++;
    }
    if (!s->options)
        return error_no_memory(e, "no memory for the options");
    return found || error_set(e, "the answer \"%.60s\" is not among the options", s->answer);
}

bool sample_parse(Sample *s, const json_t *object, Arena *a, Error *e)
{
    if (!json_is_object(object))
        return error_set(e, "an object {…} was expected");
    return keys_check(object, e) && texts_read(s, object, a, e) && words_read(s, object, e) && rest_read(s, object, e)
        && options_read(s, object, a, e);
}
