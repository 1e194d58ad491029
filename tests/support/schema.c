/* SPDX-License-Identifier: MIT */
#include "tests/support/schema.h"

#include <regex.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 32, SCHEMA_BYTES = 1 << 18 };

/* The place in the value, and the file that the schema comes from. */
typedef struct { const char *folder; const json_t *root; char at[512]; Error *error; int depth; } Place;

static bool check(const Place *p, const json_t *schema, const json_t *value);

static bool wrong(const Place *p, const char *what)
{
    return error_set(p->error, "%s: %s", *p->at ? p->at : "/", what);
}

static bool has_type(const char *type, const json_t *v)
{
    return strcmp(type, "object") == 0  ? json_is_object(v)
         : strcmp(type, "array") == 0   ? json_is_array(v)
         : strcmp(type, "string") == 0  ? json_is_string(v)
         : strcmp(type, "integer") == 0 ? json_is_integer(v)
         : strcmp(type, "number") == 0  ? json_is_number(v)
         : strcmp(type, "boolean") == 0 ? json_is_boolean(v)
                                        : strcmp(type, "null") == 0 && json_is_null(v);
}

static bool check_type(const Place *p, const json_t *types, const json_t *v)
{
    bool good = json_is_string(types) && has_type(json_string_value(types), v);
    for (size_t k = 0; k < json_array_size(types); k++)
        good |= has_type(json_string_value(json_array_get(types, k)), v);
    return good || wrong(p, "is of another type");
}

static bool check_enum(const Place *p, const json_t *list, const json_t *v)
{
    for (size_t k = 0; k < json_array_size(list); k++)
        if (json_equal(json_array_get(list, k), v))
            return true;
    return wrong(p, "is none of the values of enum");
}

static bool check_pattern(const Place *p, const json_t *pattern, const json_t *v)
{
    regex_t r;
    if (!json_is_string(v))
        return true;
    if (regcomp(&r, json_string_value(pattern), REG_EXTENDED | REG_NOSUB) != 0)
        return wrong(p, "the pattern of the schema is not a regular expression");
    bool good = regexec(&r, json_string_value(v), 0, NULL, 0) == 0;
    regfree(&r);
    return good || error_set(p->error, "%s: \"%.80s\" does not match %.120s", p->at, json_string_value(v),
                             json_string_value(pattern));
}

static Place below(const Place *p, const char *key)
{
    Place q = *p;
    size_t n = strlen(q.at);
    snprintf(q.at + n, sizeof q.at - n, "/%s", key);
    q.depth++;
    return q;
}

static bool check_members(const Place *p, const json_t *schema, const json_t *v)
{
    const json_t *properties = json_object_get(schema, "properties"),
        *others = json_object_get(schema, "additionalProperties"),
        *required = json_object_get(schema, "required");
    const char *key;
    json_t *one;
    if (!json_is_object(v))
        return true;
    for (size_t k = 0; k < json_array_size(required); k++) {
        Place q = below(p, json_string_value(json_array_get(required, k)));
        if (!json_object_get(v, json_string_value(json_array_get(required, k))))
            return wrong(&q, "is missing");
    }
    json_object_foreach((json_t *)(uintptr_t)v, key, one) {
        const json_t *own = json_object_get(properties, key), *rule = own ? own : others;
        Place q = below(p, key);
        if (json_is_false(rule))
            return wrong(&q, "is a key that the schema does not know");
        if (json_is_object(rule) && !check(&q, rule, one))
            return false;
    }
    return true;
}

static bool check_items(const Place *p, const json_t *schema, const json_t *v)
{
    const json_t *items = json_object_get(schema, "items");
    char key[32];
    if ((json_int_t)json_array_size(v) < json_integer_value(json_object_get(schema, "minItems")) && json_is_array(v))
        return wrong(p, "has too few items");
    for (size_t k = 0; items && k < json_array_size(v); k++) {
        snprintf(key, sizeof key, "%zu", k);
        Place q = below(p, key);
        if (!check(&q, items, json_array_get(v, k)))
            return false;
    }
    return true;
}

/* Follows a reference: "parts.json#/$defs/sha256", or "#/$defs/sha256" in the same file. */
static bool check_ref(const Place *p, const char *to, const json_t *v)
{
    const char *hash = strchr(to, '#');
    char path[512];
    Place q = *p;
    json_t *file = NULL;
    if (!hash || strncmp(hash, "#/$defs/", 8) != 0)
        return wrong(p, "the schema refers to what is not in $defs");
    if (hash > to) {
        snprintf(path, sizeof path, "%s/%.*s", p->folder, (int)(hash - to), to);
        if (!(q.root = file = json_file(path, SCHEMA_BYTES, p->error)))
            return false;
    }
    q.depth++;
    const json_t *definition = json_object_get(json_object_get(q.root, "$defs"), hash + 8);
    bool good = definition ? check(&q, definition, v) : wrong(p, "the schema refers to a definition that is not there");
    json_decref(file);
    return good;
}

static bool check(const Place *p, const json_t *schema, const json_t *v)
{
    static const char *const known[] = { "$schema", "$id", "$defs", "title", "description", "$ref", "type", "properties",
                                         "required", "additionalProperties",
                                         "items", "minItems", "enum", "const", "pattern", "minLength", "minimum" };
    const char *key;
    json_t *value;
    if (p->depth > DEPTH_MAX)
        return wrong(p, "schema or value is nested too deeply");
    json_object_foreach((json_t *)(uintptr_t)schema, key, value) {
        bool found = false;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            found |= strcmp(key, known[k]) == 0;
        if (!found)
            return wrong(p, "the schema has a keyword that this check does not know");
        if ((strcmp(key, "$ref") == 0 && !check_ref(p, json_string_value(value), v))
            || (strcmp(key, "type") == 0 && !check_type(p, value, v)) || (strcmp(key, "enum") == 0 && !check_enum(p, value, v))
            || (strcmp(key, "pattern") == 0 && !check_pattern(p, value, v)))
            return false;
        if (strcmp(key, "const") == 0 && !json_equal(value, v))
            return wrong(p, "is not the constant of the schema");
        if (strcmp(key, "minLength") == 0 && json_is_string(v)
            && (json_int_t)json_string_length(v) < json_integer_value(value))
            return wrong(p, "is too short");
        if (strcmp(key, "minimum") == 0 && json_is_number(v) && json_number_value(v) < json_number_value(value))
            return wrong(p, "is too small");
    }
    return check_members(p, schema, v) && check_items(p, schema, v);
}

bool schema_check_with(const char *folder, const json_t *schema, const json_t *value, Error *e)
{
    Place p = { .folder = folder, .root = schema, .error = e };
    return check(&p, schema, value);
}

bool schema_check(const char *folder, const char *name, const json_t *value, Error *e)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    json_t *schema = json_file(path, SCHEMA_BYTES, e);
    bool good = schema && schema_check_with(folder, schema, value, e);
    json_decref(schema);
    return good;
}
