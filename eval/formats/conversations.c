/* SPDX-License-Identifier: MIT */
#include "eval/formats/conversations.h"

#include <string.h>
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tensor/base/limits.h"

#define IMAGE "<image>"

/* --- One object --- */

/* A text of the object, or NULL where the key is absent. */
static bool text_read(const char **out, const json_t *object, const char *key, Arena *a, Error *e)
{
    const json_t *v = json_object_get(object, key);
    if (v && !json_is_null(v) && !json_string_value(v))
        return error_set(e, "\"%s\" must be text", key);
    *out = json_string_value(v) ? arena_text(a, json_string_value(v)) : NULL;
    return !json_string_value(v) || *out;
}

static bool keys_check(const json_t *object, Error *e)
{
    static const char *const known[] = { "id", "image", "conversations", "entity", "group", "skill", "split", "model",
                                         "metadata" };
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        return error_set(e, "an object {…} was expected");
    json_object_foreach((json_t *)object, key, value) {
        bool found = false;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            found |= strcmp(key, known[k]) == 0;
        if (!found)
            return error_set(e, "the key \"%.60s\" is unknown", key);
    }
    return true;
}

/* The text of a turn without "<image>", and then without white space at its ends; NULL after a failure. *shows: whether
 * the turn had an "<image>". */
static const char *turn_text(const json_t *turn, const char *from, size_t k, bool *shows, Arena *a, Error *e)
{
    const char *who = json_string_value(json_object_get(turn, "from")),
               *value = json_string_value(json_object_get(turn, "value"));
    if (!who || strcmp(who, from) != 0 || !value) {
        error_set(e, "turn %zu is of \"%.40s\", expected {\"from\": \"%s\", \"value\": text}: human and gpt take turns",
                  k + 1, who ? who : "", from);
        return NULL;
    }
    const char *mark = strstr(value, IMAGE);
    *shows = mark != NULL;
    char *text = mark ? arena_format(a, "%.*s%s", (int)(mark - value), value, mark + sizeof IMAGE - 1) : arena_text(a, value);
    if (!text)
        return NULL;
    text += strspn(text, " \t\r\n");
    for (size_t n = strlen(text); n > 0 && strchr(" \t\r\n", text[n - 1]); n--)
        text[n - 1] = 0;
    if (!*text || strstr(text, IMAGE)) {
        error_set(e, *text ? "turn %zu has more than one <image>, expected one" : "turn %zu has no text", k + 1);
        return NULL;
    }
    return text;
}

static bool head_read(Sample *s, const json_t *object, Arena *a, Error *e)
{
    const struct { const char *key, **to; } texts[] = { { "id", &s->id }, { "image", &s->image }, { "entity", &s->entity },
                                                        { "group", &s->group }, { "skill", &s->skill } };
    const char *split = NULL;
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
        const char *text;
        if (!text_read(&text, object, texts[k].key, a, e))
            return false;
        *texts[k].to = text || k < 2 ? text : "";
    }
    if (!text_read(&split, object, "split", a, e))
        return false;
    if (split && strcmp(split, "train") != 0 && strcmp(split, "test") != 0)
        return error_set(e, "\"split\" is \"%.40s\", expected \"train\" or \"test\"", split);
    s->split = split && strcmp(split, "test") == 0 ? SPLIT_TEST : SPLIT_TRAIN;
    s->modality = s->image ? MODALITY_IMAGE : MODALITY_TEXT;
    return (s->id && *s->id) || error_set(e, "\"id\" is missing or empty");
}

static bool object_read(Dataset *out, const json_t *object, size_t line, Arena *a, Error *e)
{
    Sample s = { .kind = KIND_OPEN, .frame = -1, .step = -1, .line = line };
    const json_t *turns = json_object_get(object, "conversations");
    const size_t n = json_array_size(turns);
    if (json_is_object(object) && !turns)
        return error_set(e, "there are no \"conversations\", expected them as in LLaVA's files; samples in our own format stand one on "
                            "each line, without an array");
    if (!keys_check(object, e) || !head_read(&s, object, a, e))
        return false;
    if (n == 0 || n % 2 != 0)
        return error_set(e, "\"conversations\" has %zu turns, expected a list of questions of human, each with an answer of gpt",
                         n);
    const char *id = s.id;
    for (size_t k = 0; k < n; k += 2) {
        bool shows, answer_shows;
        if (!(s.question = turn_text(json_array_get(turns, k), "human", k, &shows, a, e))
            || !(s.answer = turn_text(json_array_get(turns, k + 1), "gpt", k + 1, &answer_shows, a, e)))
            return false;
        if (shows && !s.image)
            return error_set(e, "turn %zu has <image>, but the object has no \"image\"", k + 1);
        if (answer_shows)
            return error_set(e, "turn %zu has <image>, expected it only in a question", k + 2);
        if (n > 2 && !(s.id = arena_format(a, "%s-%zu", id, k / 2)))
            return false;
        if (!dataset_add(out, &s, a, e))
            return false;
    }
    return true;
}

/* --- The file --- */

/* The offset just after the closing bracket of the object that begins at `at`; brackets in strings do not count. n: the
 * object has no end. */
static size_t object_end(const char *text, size_t at, size_t n)
{
    size_t depth = 0;
    for (bool quoted = false; at < n; at++) {
        if (quoted) {
            quoted = text[at] != '"';
            at += text[at] == '\\';
            continue;
        }
        quoted = text[at] == '"';
        depth += text[at] == '{' || text[at] == '[';
        if ((text[at] == '}' || text[at] == ']') && --depth == 0)
            return at + 1;
    }
    return n;
}

static bool object_parse(Dataset *out, const char *text, size_t n, size_t line, Arena *a, Error *e)
{
    const char *where = arena_format(a, "%s:%zu", out->path, line);
    json_t *object = where ? json_parse(text, n, where, e) : NULL;
    bool good = object && object_read(out, object, line, a, e);
    json_decref(object);
    if (!good && where && strncmp(e->text, where, strlen(where)) != 0)
        error_prefix(e, "%s", where);
    return good;
}

static bool objects_read(Dataset *out, const char *text, size_t n, ErrorList *errors, Arena *a, Error *e)
{
    const size_t first = strspn(text, " \t\r\n");
    const bool array = text[first] == '[';
    size_t line = 1, counted = 0;
    for (size_t at = first + array, end; at < n; at = end) {
        at += strspn(text + at, array ? " \t\r\n," : " \t\r\n");
        for (; counted < at; counted++)
            line += text[counted] == '\n';
        if (at >= n || text[at] == ']')
            return true;
        if (text[at] != '{')
            return error_set(e, "%s:%zu: an object {…} was expected", out->path, line);
        end = object_end(text, at, n);
        if (!object_parse(out, text + at, end - at, line, a, e) && !error_list_take(errors, e))
            return false;
    }
    return !array || error_set(e, "%s:%zu: the array has no end, expected ]", out->path, line);
}

/* An upper bound for the number of samples: each has a turn with "from". */
static size_t samples_bound(const char *text)
{
    size_t n = 1;
    for (const char *at = text; (at = strstr(at, "\"from\"")); at += 6)
        n++;
    return n;
}

bool conversations_read(Dataset *out, const char *path, ErrorList *errors, Arena *a, Error *e)
{
    Arena file = arena_make(e);
    size_t n;
    *out = (Dataset){ .count = 0 };
    const char *text = file_text(path, LIMIT_TABLE, &n, &file, e);
    bool good = text && dataset_begin(out, samples_bound(text), path, a, e) && objects_read(out, text, n, errors, a, e);
    if (good && !out->count && !errors)
        good = error_set(e, "%s: has no samples", path);
    arena_free(&file);
    if (!good)
        dataset_close(out);
    return good;
}
