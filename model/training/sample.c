/* SPDX-License-Identifier: MIT */
#include "model/training/sample_parts.h"

#include <stddef.h>
#include <string.h>
#include "tensor/base/file.h"
#include "tensor/base/json.h"

enum { FILE_MAX = 1 << 29, TEXT_MAX = 1 << 20, OPTIONS_MAX = 64 };

static const char *const splits[] = { "train", "test" };
static const char *const modalities[] = { "text", "image" };
static const char *const kinds[] = { "open", "choice", "cloze", "name" };

const char *kind_name(Kind k) { return kinds[k]; }

static const struct { const char *key; size_t at; bool needed; } texts[] = {
    { "id", offsetof(Sample, id), true },              { "question", offsetof(Sample, question), true },
    { "answer", offsetof(Sample, answer), true },      { "entity", offsetof(Sample, entity), false },
    { "group", offsetof(Sample, group), false },       { "skill", offsetof(Sample, skill), false },
    { "image", offsetof(Sample, image), false },
};
static const char *const others[] = { "split", "modality", "options", "kind", "frame", "augment", "step" };

static size_t name_hash(const char *s)
{
    uint64_t h = 0xcbf29ce484222325u;                                   // FNV-1a
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    return (size_t)(h ^ h >> 32);
}

bool name_map_make(NameMap *m, size_t room, Arena *a)
{
    size_t slots = 16;
    while (slots < 2 * room)
        slots *= 2;
    *m = (NameMap){ arena_array(a, room + 1, sizeof *m->name), 0, room, slots - 1, arena_array(a, slots, sizeof *m->slot) };
    if (m->slot)
        memset(m->slot, -1, slots * sizeof *m->slot);
    return m->name && m->slot;
}

int32_t name_map_find(const NameMap *m, const char *name)
{
    for (size_t i = name_hash(name) & m->mask; m->slot[i] >= 0; i = (i + 1) & m->mask)
        if (!strcmp(m->name[m->slot[i]], name))
            return m->slot[i];
    return -1;
}

int32_t name_map_add(NameMap *m, const char *name)
{
    size_t i = name_hash(name) & m->mask;
    while (m->slot[i] >= 0)
        i = (i + 1) & m->mask;
    m->name[m->count] = name;
    return m->slot[i] = (int32_t)m->count++;
}

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
            return error_set(e, "no memory for the sample");
    }
    return true;
}

/* The place of a word in a list of allowed ones; `out` stays as it is when the key is absent. */
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
    return error_set(e, "\"%s\" is \"%.40s\", expected one of \"%s\" to \"%s\"", key, text ? text : "", word[0], word[count - 1]);
}

static bool words_read(Sample *s, const json_t *object, Error *e)
{
    int split = SPLIT_TRAIN, modality = s->image ? MODALITY_IMAGE : MODALITY_TEXT, kind = KIND_OPEN;
    if (!word_read(&split, object, "split", splits, 2, e) || !word_read(&modality, object, "modality", modalities, 2, e)
        || !word_read(&kind, object, "kind", kinds, 4, e))
        return false;
    s->split = (Split)split;
    s->modality = (Modality)modality;
    s->kind = (Kind)kind;
    if ((s->modality == MODALITY_IMAGE) != (s->image != NULL))
        return error_set(e, "\"modality\" is \"%s\", but there is %s \"image\"", modalities[modality], s->image ? "an" : "no");
    return true;
}

static bool number_read(int64_t *out, const json_t *object, const char *key, Error *e)
{
    const json_t *v = json_object_get(object, key);
    *out = -1;
    if (v && !json_is_null(v) && (!json_is_integer(v) || json_integer_value(v) < -1))
        return error_set(e, "\"%s\" must be a whole number of at least 0 (or -1: none)", key);
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
    return number_read(&s->frame, object, "frame", e) && number_read(&s->step, object, "step", e);
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
                return error_set(e, "option \"%.60s\" stands there twice", text);
        found |= !strcmp(text, s->answer);
        if (!(s->options[k] = arena_text(a, text)))
            return error_set(e, "no memory for the sample");
        s->option_count++;
    }
    return found || error_set(e, s->options ? "the answer \"%.60s\" is not among the options" : "no memory (%.60s)", s->answer);
}

static bool sample_fill(Sample *s, const json_t *object, Arena *a, Error *e)
{
    if (!json_is_object(object))
        return error_set(e, "an object {…} was expected");
    return keys_check(object, e) && texts_read(s, object, a, e) && words_read(s, object, e) && rest_read(s, object, e)
        && options_read(s, object, a, e);
}

/* Entered under its id, its picture noted. */
bool samples_add(Samples *s, const Sample *x, Arena *a, Error *e)
{
    const int32_t twin = name_map_find(s->ids, x->id);
    const size_t text = strlen(x->question) + strlen(x->answer);
    if (twin >= 0)
        error_set(e, "the id \"%.80s\" is that of line %zu, expected a new one", x->id, s->sample[twin].line);
    else if (s->count == s->ids->room)
        error_set(e, "more samples than the %zu there is room for", s->ids->room);
    else if (text > TEXT_MAX)
        error_set(e, "question and answer have %zu bytes, expected at most %d", text, TEXT_MAX);
    if (twin >= 0 || s->count == s->ids->room || text > TEXT_MAX || (x->image && !pictures_add(s->pictures, x->image, a, e)))
        return error_prefix(e, "%s:%zu", s->path, x->line);
    name_map_add(s->ids, x->id);
    s->sample[s->count++] = *x;
    return true;
}

bool samples_add_picture(Samples *s, const char *name, const void *bytes, size_t n, Arena *a, Error *e)
{
    return pictures_put(s->pictures, name, bytes, n, a, e) || error_prefix(e, "%s", s->path);
}

/* One line: parsed and entered. */
static bool line_read(Samples *out, const char *text, size_t n, size_t line, Arena *a, Error *e)
{
    ArenaMark mark = arena_mark(a);
    const char *where = arena_format(a, "%s:%zu", out->path, line);
    json_t *object = where ? json_parse(text, n, where, e) : NULL;
    arena_release(a, mark);
    if (!object)
        return false;
    Sample s = { .entity = "", .group = "", .skill = "", .line = line };
    bool ok = sample_fill(&s, object, a, e);
    json_decref(object);
    return ok ? samples_add(out, &s, a, e) : error_prefix(e, "%s:%zu", out->path, line);
}

static bool blank(const char *text, size_t n)
{
    while (n > 0 && strchr(" \t\r", text[n - 1]) && text[n - 1])
        n--;
    return n == 0;
}

static bool lines_read(Samples *out, const char *text, size_t n, Arena *a, Error *e)
{
    for (size_t at = 0, line = 1, end; at < n; at = end + 1, line++) {
        const char *stop = memchr(text + at, '\n', n - at);
        end = stop ? (size_t)(stop - text) : n;
        if (!blank(text + at, end - at) && !line_read(out, text + at, end - at, line, a, e))
            return false;
    }
    return true;
}

bool samples_begin(Samples *out, size_t room, const char *path, Arena *a, Error *e)
{
    const char *slash = strrchr(path, '/');
    const char *folder = slash ? arena_format(a, "%.*s", (int)(slash - path + (slash == path)), path) : ".";
    *out = (Samples){ .sample = arena_array(a, room, sizeof(Sample)), .path = arena_text(a, path), .ids = arena_alloc(a, sizeof(NameMap)) };
    if (out->sample && out->path && out->ids && folder && name_map_make(out->ids, room, a) && (out->pictures = pictures_make(folder, room, a)))
        return true;
    return error_set(e, "%s: no memory for %zu samples", path, room);
}

/* The text lives in an arena of its own, gone when all is parsed. */
bool samples_read(Samples *out, const char *path, Arena *a, Error *e)
{
    Arena file = arena_make(e);
    size_t n = 0, lines = 1;
    const char *text = file_read(path, FILE_MAX, &n, &file, e);
    for (size_t i = 0; text && i < n; i++)
        lines += text[i] == '\n';
    *out = (Samples){ 0 };
    bool ok = text && samples_begin(out, lines, path, a, e) && lines_read(out, text, n, a, e);
    if (ok && !out->count)
        ok = error_set(e, "%s: has no samples", path);
    arena_free(&file);
    if (!ok)
        samples_close(out);
    return ok;
}

void samples_close(Samples *s)
{
    pictures_close(s->pictures);
    *s = (Samples){ 0 };
}

const Sample *samples_find(const Samples *s, const char *id)
{
    int32_t k = s->ids ? name_map_find(s->ids, id) : -1;
    return k >= 0 ? &s->sample[k] : NULL;
}

bool sample_picture(const Samples *s, const Sample *x, Image *out, Arena *a, Error *e)
{
    if (!x->image)
        return error_set(e, "%s:%zu: sample \"%.80s\" has no picture", s->path, x->line, x->id);
    return pictures_get(s->pictures, x->image, out, a, e) || error_prefix(e, "%s:%zu", s->path, x->line);
}
