/* SPDX-License-Identifier: MIT */
#include "eval/entities.h"

#include <string.h>
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tensor/base/limits.h"

enum { LINE_LEAST = 16 };       // {"id":"","group":""} has more bytes, so a file has at most size / LINE_LEAST entities

static bool optional_text(const json_t *object, const char *key, const char **out, Arena *a, Error *e)
{
    const json_t *v = json_object_get(object, key);
    *out = "";
    if (!v)
        return true;
    if (!json_is_string(v))
        return error_set(e, "\"%s\" must be text", key);
    return (*out = arena_text(a, json_string_value(v))) != NULL;
}

/* Whether the file of a picture exists, in the folder of the entities' file; true for "", no picture. FILE#ROW names
 * one of several pictures in a file; then FILE must exist. */
static bool picture_there(const char *file, const char *image, Arena *a, Error *e)
{
    const char *slash = strrchr(file, '/'), *hash = strchr(image, '#');
    size_t n = hash ? (size_t)(hash - image) : strlen(image);
    const char *path = arena_format(a, "%.*s%.*s", slash ? (int)(slash + 1 - file) : 0, file, (int)n, image);
    return path && (!*image || file_exists(path) || error_set(e, "the picture %s is not there", path));
}

static bool entity_fill(Entity *x, const json_t *object, const char *path, Arena *a, Error *e)
{
    const json_t *round = json_object_get(object, "round"), *exposure = json_object_get(object, "level");
    const char *image;
    if (!json_is_object(object))
        return error_set(e, "an object {…} was expected");
    if (!optional_text(object, "id", &x->id, a, e) || !optional_text(object, "group", &x->group, a, e)
        || !optional_text(object, "split", &x->split, a, e) || !optional_text(object, "image", &image, a, e))
        return false;
    if (!*x->id || !*x->group)
        return error_set(e, "\"id\" or \"group\" is missing or empty");
    if (round && (!json_is_integer(round) || json_integer_value(round) < 1 || json_integer_value(round) > 10000))
        return error_set(e, "\"round\" must be a whole number from 1 to 10000");
    if (exposure && (!json_is_integer(exposure) || json_integer_value(exposure) < 0 || json_integer_value(exposure) > 1000000))
        return error_set(e, "\"level\" must be a whole number from 0 to 1000000");
    x->round = round ? json_integer_value(round) : 0;
    x->exposure = exposure ? json_integer_value(exposure) : -1;
    if ((strcmp(x->split, "unlearn") == 0) != (x->round > 0))
        return error_set(e, "\"split\" is \"%.40s\" and \"round\" is %lld, expected a round for those of the split \"unlearn\" "
                            "and for no others",
                         x->split, (long long)x->round);
    return picture_there(path, image, a, e);
}

static bool line_read(Entities *out, const char *text, size_t n, size_t line, Arena *a, Error *e)
{
    const char *where = arena_format(a, "%s:%zu", out->path, line);
    json_t *object = where ? json_parse(text, n, where, e) : NULL;
    if (!object)
        return false;
    Entity *x = &out->entity[out->count];
    *x = (Entity){ .line = line };
    bool good = entity_fill(x, object, out->path, a, e);
    json_decref(object);
    for (size_t k = 0; good && k < out->count; k++)
        if (strcmp(out->entity[k].id, x->id) == 0)
            good = error_set(e, "the id \"%.80s\" is that of line %zu, expected a new one", x->id, out->entity[k].line);
    out->count++;
    return good || error_prefix(e, "%s", where);
}

bool entities_read(Entities *out, const char *path, Arena *a, Error *e)
{
    size_t size, lines = 1;
    char *text = file_text(path, LIMIT_ENTITIES, &size, a, e);
    if (!text)
        return false;
    for (size_t k = 0; k < size; k++)
        lines += text[k] == '\n';
    lines = lines < size / LINE_LEAST + 1 ? lines : size / LINE_LEAST + 1;
    *out = (Entities){ arena_array(a, lines, sizeof *out->entity), 0, arena_text(a, path) };
    if (!out->entity || !out->path)
        return false;
    for (size_t at = 0, line = 1; at < size; line++) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t n = end ? (size_t)(end - text) - at : size - at;
        if (strspn(text + at, " \t\r") < n && !line_read(out, text + at, n, line, a, e))
            return false;
        at += n + 1;
    }
    return out->count > 0 || error_set(e, "%s:1: there is no entity, expected one JSON object on each line", path);
}

bool entities_choose(EntityList *out, const Entities *all, const char *group, int64_t round, Arena *a)
{
    *out = (EntityList){ arena_array(a, all->count + 1, sizeof *out->entity), 0 };
    for (size_t k = 0; out->entity && k < all->count; k++)
        if (strcmp(all->entity[k].group, group) == 0 && (round < 0 || all->entity[k].round == round))
            out->entity[out->count++] = &all->entity[k];
    return out->entity != NULL;
}

bool entity_list_has(const EntityList *l, const char *id)
{
    for (size_t k = 0; k < l->count; k++)
        if (strcmp(l->entity[k]->id, id) == 0)
            return true;
    return false;
}

int64_t entity_list_questions(const EntityList *l)
{
    int64_t n = 0;
    for (size_t k = 0; k < l->count; k++)
        n += l->entity[k]->questions;
    return n;
}
