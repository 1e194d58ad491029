/* SPDX-License-Identifier: MIT */
#include "ref/config/router.h"

#include <string.h>
#include "tensor/base/json.h"
#include "tensor/base/limits.h"

static bool listed(const char *const *list, size_t n, const char *text)
{
    for (size_t k = 0; k < n; k++)
        if (strcmp(list[k], text) == 0)
            return true;
    return false;
}

/* Reads one list of texts of an entry. The list may be missing. */
static bool texts_read(const json_t *entry, const char *key, const char ***out, size_t *count, const char *at, Arena *a, Error *e)
{
    const json_t *list = json_object_get(entry, key);
    const size_t n = json_array_size(list);
    *count = 0;
    if (list && !json_is_array(list))
        return error_set(e, "%s: \"%s\" is not a list, expected a list of texts", at, key);
    if (!(*out = arena_array(a, n + 1, sizeof **out)))
        return false;
    for (size_t k = 0; k < n; k++) {
        const char *text = json_string_value(json_array_get(list, k));
        if (!text || !*text)
            return error_set(e, "%s: \"%s\" [%zu] is not a text, expected a text that is not empty", at, key, k);
        if (!((*out)[(*count)++] = arena_text(a, text)))
            return false;
    }
    return true;
}

static bool keys_known(const json_t *object, const char *const *known, size_t n, const char *at, Error *e)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
        if (!listed(known, n, key))
            return error_set(e, "%s: there is no key \"%.100s\", expected %s", at, key, n == 1 ? "\"adapters\""
                                : "\"folder\", \"entities\" or \"questions\"");
    return true;
}

/* Fails where an entry lists what an entry before it lists. */
static bool listed_once(const Router *r, const Route *x, const char *at, Error *e)
{
    for (size_t k = 0; k < r->count; k++) {
        const Route *y = &r->route[k];
        for (size_t i = 0; i < x->entities; i++)
            if (listed(y->entity, y->entities, x->entity[i]))
                return error_set(e, "%s: the entity \"%.100s\" is listed by %s too, expected one adapter for each entity", at, x->entity[i],
                                 y->name);
        for (size_t i = 0; i < x->questions; i++)
            if (listed(y->question, y->questions, x->question[i]))
                return error_set(e, "%s: the question \"%.100s\" is listed by %s too, expected one adapter for each question", at,
                                 x->question[i], y->name);
    }
    return true;
}

static bool entry_read(Router *r, const json_t *entry, const char *path, Arena *a, Error *e)
{
    static const char *const known[] = { "folder", "entities", "questions" };
    Route *x = &r->route[r->count];
    const char *at = arena_format(a, "%s: adapters[%zu]", path, r->count), *folder, *slash = strrchr(path, '/');
    if (!at || (!json_is_object(entry) && !error_set(e, "%s: this is not an object, expected an object with \"folder\"", at))
        || !keys_known(entry, known, sizeof known / sizeof *known, at, e) || !json_get_text(entry, "folder", &folder, at, e))
        return false;
    const bool relative = slash && *folder != '/';
    x->name = arena_text(a, folder);
    x->folder = arena_format(a, "%.*s%s", relative ? (int)(slash + 1 - path) : 0, path, folder);
    if (!x->name || !x->folder || !texts_read(entry, "entities", &x->entity, &x->entities, at, a, e)
        || !texts_read(entry, "questions", &x->question, &x->questions, at, a, e) || !listed_once(r, x, at, e))
        return false;
    r->count++;
    return true;
}

bool router_read(Router *r, const char *path, Arena *a, Error *e)
{
    static const char *const known[] = { "adapters" };
    json_t *all = json_file(path, LIMIT_CONFIG, e);
    const json_t *list = json_object_get(all, "adapters");
    *r = (Router){ .count = 0 };
    bool good = all && (json_is_object(all) || error_set(e, "%s: this is not an object, expected {\"adapters\": […]}", path))
        && keys_known(all, known, 1, path, e)
        && (json_array_size(list) || error_set(e, "%s: \"adapters\" is not a list with entries, expected an entry for each adapter", path))
        && (r->route = arena_array(a, json_array_size(list), sizeof *r->route)) != NULL;
    for (size_t k = 0; good && k < json_array_size(list); k++)
        good = entry_read(r, json_array_get(list, k), path, a, e);
    json_decref(all);
    return good;
}

size_t router_choose(const Router *r, const Sample *question)
{
    for (size_t k = 0; k < r->count; k++)
        if (listed(r->route[k].question, r->route[k].questions, question->id))
            return k;
    size_t k = 0;
    while (k < r->count && !listed(r->route[k].entity, r->route[k].entities, question->entity))
        k++;
    return k;
}

static json_t *entry_make(const Chosen *forget, size_t round, Arena *a)
{
    json_t *entities = json_array(), *questions = json_array();
    for (size_t k = 0; k < forget->count; k++) {
        const char *entity = forget->sample[k]->entity;
        bool there = false;
        for (size_t i = 0; i < json_array_size(entities); i++)
            there |= strcmp(json_string_value(json_array_get(entities, i)), entity) == 0;
        if (!*entity)
            json_add(questions, json_string(forget->sample[k]->id));
        else if (!there)
            json_add(entities, json_string(entity));
    }
    json_t *entry = json_pack("{s:s, s:o}", "folder", arena_format(a, "adapter-%zu", round + 1), "entities", entities);
    if (json_array_size(questions))
        json_put(entry, "questions", questions);
    else
        json_decref(questions);
    return entry;
}

bool router_write(const Request *q, const char *out, Error *e)
{
    Arena a = arena_make(e);
    const char *path = arena_format(&a, "%s/router.json", out);
    json_t *list = json_array();
    for (size_t k = 0; q->forget && k < q->samples.rounds; k++)
        json_add(list, entry_make(&q->forget[k], k, &a));
    json_t *all = json_pack("{s:o}", "adapters", list);
    bool good = path && json_save(path, all, e);
    json_decref(all);
    arena_free(&a);
    return good;
}
