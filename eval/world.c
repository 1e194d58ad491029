/* SPDX-License-Identifier: MIT */
#include "eval/world.h"

#include <string.h>
#include "tensor/base/json.h"
#include "tensor/base/limits.h"

/* Whether the object has only these keys; the list of keys ends with NULL. */
static bool keys_check(const json_t *object, const char *const *keys, const char *path, Error *e)
{
    const char *name;
    json_t *value;
    if (!json_is_object(object))
        return error_set(e, "%s: an object {…} was expected for the world, for each group and for \"general\"", path);
    json_object_foreach((json_t *)object, name, value) {
        const char *const *key = keys;
        while (*key && strcmp(*key, name) != 0)
            key++;
        if (!*key)
            return error_set(e, "%s: the key \"%.60s\" is unknown, expected one of entities, groups, general, name, questions, "
                                "splits, as, many", path, name);
    }
    return true;
}

/* Reads the name of a file or of a group. Neither may lead out of the world's folder. */
static bool name_read(const json_t *object, const char *key, const char **out, const char *path, Arena *a, Error *e)
{
    if (!json_get_text(object, key, out, path, e))
        return false;
    if (!**out || **out == '/' || strstr(*out, "..") || strlen(*out) > 200)
        return error_set(e, "%s: \"%s\" is \"%.200s\", expected a name inside the world's folder", path, key, *out);
    return (*out = arena_text(a, *out)) != NULL;
}

static bool splits_read(const json_t *object, bool *out, const char *path, Error *e)
{
    const json_t *list = json_object_get(object, "splits");
    const char *forget = json_string_value(json_array_get(list, 0)),
        *retain = json_string_value(json_array_get(list, 1));
    *out = list != NULL;
    return !list
        || (json_array_size(list) == 2 && forget && retain && strcmp(forget, "unlearn") == 0 && strcmp(retain, "retain") == 0)
        || error_set(e,
                     "%s: \"splits\" must be [\"unlearn\", \"retain\"], or be left out where the entities of the group have no "
                     "split",
                     path);
}

/* Reads a name that may be absent; *out is NULL if it is. */
static bool word_read(const json_t *object, const char *key, const char **out, const char *path, Arena *a, Error *e)
{
    *out = NULL;
    return !json_object_get(object, key) || name_read(object, key, out, path, a, e);
}

static bool group_read(WorldGroup *out, const json_t *object, const char *path, Arena *a, Error *e)
{
    static const char *const keys[] = { "name", "questions", "splits", "as", "many", NULL };
    return keys_check(object, keys, path, e) && name_read(object, "name", &out->name, path, a, e)
        && name_read(object, "questions", &out->questions, path, a, e) && splits_read(object, &out->has_splits, path, e)
        && word_read(object, "as", &out->as, path, a, e) && word_read(object, "many", &out->many, path, a, e);
}

static bool groups_read(World *out, const json_t *list, Arena *a, Error *e)
{
    const size_t count = json_array_size(list);
    if (count == 0 || count > LIMIT_GROUPS)
        return error_set(e, "%s: \"groups\" must be a list of 1 to %d groups", out->path, LIMIT_GROUPS);
    if (!(out->group = arena_array(a, count, sizeof *out->group)))
        return false;
    for (; out->groups < count; out->groups++) {
        WorldGroup *g = &out->group[out->groups];
        if (!group_read(g, json_array_get(list, out->groups), out->path, a, e))
            return false;
        if (world_group(out, g->name) < out->groups || strcmp(g->name, out->general.name) == 0)
            return error_set(e, "%s: the group \"%s\" appears twice, expected each name once", out->path, g->name);
        if (world_group_as(out, world_role(g)) < out->groups)
            return error_set(e, "%s: two groups stand for \"%s\", expected one for each group of the scenarios",
                             out->path, world_role(g));
    }
    return true;
}

bool world_read(World *out, const char *folder, Arena *a, Error *e)
{
    static const char *const keys[] = { "entities", "groups", "general", NULL };
    *out = (World){ .folder = arena_text(a, folder), .path = arena_format(a, "%s/world.json", folder) };
    json_t *all = out->folder && out->path ? json_file(out->path, LIMIT_WORLD, e) : NULL;
    const bool good = all && keys_check(all, keys, out->path, e)
        && name_read(all, "entities", &out->entities, out->path, a, e)
                   && group_read(&out->general, json_object_get(all, "general"), out->path, a, e)
                   && groups_read(out, json_object_get(all, "groups"), a, e);
    json_decref(all);
    return good;
}

size_t world_group(const World *w, const char *name)
{
    size_t k = 0;
    while (k < w->groups && strcmp(w->group[k].name, name) != 0)
        k++;
    return k;
}

const char *world_role(const WorldGroup *g) { return g->as ? g->as : g->name; }

size_t world_group_as(const World *w, const char *role)
{
    size_t k = 0;
    while (k < w->groups && strcmp(world_role(&w->group[k]), role) != 0)
        k++;
    return k;
}

const char *world_path(const World *w, const char *name, Arena *a)
{
    return arena_format(a, "%s/%s", w->folder, name);
}
