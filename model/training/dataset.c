/* SPDX-License-Identifier: MIT */
#include "model/training/dataset.h"

#include <string.h>
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tensor/base/limits.h"

enum { LINE_LEAST = 32 };      // no line with a sample has fewer bytes: its required keys need at least 38

bool dataset_add(Dataset *s, const Sample *x, Arena *a, Error *e)
{
    const int32_t twin = name_map_find(s->ids, x->id);
    const size_t text_bytes = strlen(x->question) + strlen(x->answer);
    if (twin >= 0)
        error_set(e, "the id \"%.80s\" is that of line %zu, expected a new one", x->id, s->sample[twin].line);
    else if (s->count == s->ids->capacity)
        error_set(e, "more samples than the %zu there is room for", s->ids->capacity);
    else if (text_bytes > LIMIT_SAMPLE_TEXT)
        error_set(e, "question and answer have %zu bytes, expected at most %d", text_bytes, LIMIT_SAMPLE_TEXT);
    if (twin >= 0 || s->count == s->ids->capacity || text_bytes > LIMIT_SAMPLE_TEXT
        || (x->image && !picture_cache_add(s->pictures, x->image, a, e)))
        return error_prefix(e, "%s:%zu", s->path, x->line);
    name_map_add(s->ids, x->id);
    s->sample[s->count] = *x;
    if (!x->pair)
        s->sample[s->count].pair = sample_pair(x->id, a);
    s->count++;
    return true;
}

bool dataset_add_picture(Dataset *s, const char *name, const void *bytes, size_t n, Arena *a, Error *e)
{
    return picture_cache_put(s->pictures, name, bytes, n, a, e) || error_prefix(e, "%s", s->path);
}

/* Parses one line and adds its sample. */
static bool line_read(Dataset *out, const char *text, size_t n, size_t line, Arena *a, Error *e)
{
    ArenaMark mark = arena_mark(a);
    const char *where = arena_format(a, "%s:%zu", out->path, line);
    json_t *object = where ? json_parse(text, n, where, e) : NULL;
    arena_release(a, mark);
    if (!object)
        return false;
    Sample s = { .entity = "", .group = "", .skill = "", .line = line };
    bool ok = sample_parse(&s, object, a, e);
    json_decref(object);
    return ok ? dataset_add(out, &s, a, e) : error_prefix(e, "%s:%zu", out->path, line);
}

static bool blank(const char *text, size_t n)
{
    while (n > 0 && strchr(" \t\r", text[n - 1]) && text[n - 1])
        n--;
    return n == 0;
}

static bool lines_read(Dataset *out, const char *text, size_t n, ErrorList *errors, Arena *a, Error *e)
{
    for (size_t at = 0, line = 1, end; at < n; at = end + 1, line++) {
        const char *stop = memchr(text + at, '\n', n - at);
        end = stop ? (size_t)(stop - text) : n;
        if (!blank(text + at, end - at) && !line_read(out, text + at, end - at, line, a, e) && !error_list_take(errors, e))
            return false;
    }
    return true;
}

bool dataset_begin(Dataset *out, size_t capacity, const char *path, Arena *a, Error *e)
{
    const char *slash = strrchr(path, '/');
    const char *folder = slash ? arena_format(a, "%.*s", (int)(slash - path + (slash == path)), path) : ".";
    *out = (Dataset){ .sample = arena_array(a, capacity, sizeof(Sample)), .path = arena_text(a, path),
                      .ids = arena_alloc(a, sizeof(NameMap)) };
    if (out->sample && out->path && out->ids && folder && name_map_make(out->ids, capacity, a)
        && (out->pictures = picture_cache_make(folder, capacity, a)))
        return true;
    return error_no_memory(e, "%s: no memory for %zu samples", path, capacity);
}

bool dataset_read(Dataset *out, const char *path, Arena *a, Error *e)
{
    return dataset_read_some(out, path, NULL, a, e);
}

/* The text of the file is in an arena of its own, which is freed once all lines are parsed. */
bool dataset_read_some(Dataset *out, const char *path, ErrorList *errors, Arena *a, Error *e)
{
    Arena file = arena_make(e);
    size_t n = 0, lines = 1;
    const char *text = file_text(path, LIMIT_SAMPLES, &n, &file, e);
    for (size_t i = 0; text && i < n; i++)
        lines += text[i] == '\n';
    lines = lines < n / LINE_LEAST + 1 ? lines : n / LINE_LEAST + 1;        // many empty lines need no room
    *out = (Dataset){ 0 };
    bool ok = text && dataset_begin(out, lines, path, a, e) && lines_read(out, text, n, errors, a, e);
    if (ok && !out->count && !errors)
        ok = error_set(e, "%s: has no samples", path);
    arena_free(&file);
    if (!ok)
        dataset_close(out);
    return ok;
}

void dataset_close(Dataset *s)
{
    picture_cache_close(s->pictures);
    *s = (Dataset){ 0 };
}

const Sample *dataset_find(const Dataset *s, const char *id)
{
    int32_t k = s->ids ? name_map_find(s->ids, id) : -1;
    return k >= 0 ? &s->sample[k] : NULL;
}

bool dataset_picture(const Dataset *s, const Sample *x, Image *out, Arena *a, Error *e)
{
    if (!x->image)
        return error_set(e, "%s:%zu: sample \"%.80s\" has no picture", s->path, x->line, x->id);
    return picture_cache_get(s->pictures, x->image, out, a, e) || error_prefix(e, "%s:%zu", s->path, x->line);
}
