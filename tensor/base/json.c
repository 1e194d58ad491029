/* SPDX-License-Identifier: MIT */
#include "tensor/base/json.h"

#include <math.h>
#include "tensor/base/file.h"

enum { DEPTH_MAX = 64 };

/* Brackets are counted before jansson recurses into them. */
static bool depth_check(const char *text, size_t n, const char *path, Error *e)
{
    int depth = 0, line = 1;
    bool inside = false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        line += c == '\n';
        if (inside && c == '\\')
            i++;
        else if (c == '"')
            inside = !inside;
        else if (!inside && (c == '[' || c == '{') && ++depth > DEPTH_MAX)
            return error_set(e, "%s:%d: is nested more than %d deep", path, line, DEPTH_MAX);
        else if (!inside && (c == ']' || c == '}'))
            depth--;
    }
    return true;
}

json_t *json_parse(const char *text, size_t n, const char *path, Error *e)
{
    json_error_t why;
    if (!depth_check(text, n, path, e))
        return NULL;
    json_t *value = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
    if (!value)
        error_set_kind(e, json_error_code(&why) == json_error_out_of_memory ? ERROR_MEMORY : ERROR_INPUT, "%s:%d: is not JSON: %s", path,
                       why.line > 0 ? why.line : 1, why.text);
    return value;
}

json_t *json_file(const char *path, size_t limit, Error *e)
{
    Arena a = arena_make(e);
    size_t n;
    char *text = file_read(path, limit, &n, &a, e);
    json_t *value = text ? json_parse(text, n, path, e) : NULL;
    arena_free(&a);
    return value;
}

static const json_t *member(const json_t *object, const char *key, const char *path, Error *e)
{
    const json_t *value = json_object_get(object, key);
    if (!value)
        error_set(e, "%s: the key \"%s\" is missing", path, key);
    return value;
}

bool json_get_text(const json_t *object, const char *key, const char **out, const char *path, Error *e)
{
    const json_t *value = member(object, key, path, e);
    if (value && !json_is_string(value))
        return error_set(e, "%s: \"%s\" must be text", path, key);
    if (value)
        *out = json_string_value(value);
    return value != NULL;
}

bool json_get_int(const json_t *object, const char *key, int64_t *out, const char *path, Error *e)
{
    const json_t *value = member(object, key, path, e);
    if (value && !json_is_integer(value))
        return error_set(e, "%s: \"%s\" must be a whole number", path, key);
    if (value)
        *out = json_integer_value(value);
    return value != NULL;
}

bool json_get_real(const json_t *object, const char *key, double *out, const char *path, Error *e)
{
    const json_t *value = member(object, key, path, e);
    if (value && !json_is_number(value))
        return error_set(e, "%s: \"%s\" must be a number", path, key);
    if (value)
        *out = json_number_value(value);
    return value != NULL;
}

bool json_get_bool(const json_t *object, const char *key, bool *out, const char *path, Error *e)
{
    const json_t *value = member(object, key, path, e);
    if (value && !json_is_boolean(value))
        return error_set(e, "%s: \"%s\" must be true or false", path, key);
    if (value)
        *out = json_is_true(value);
    return value != NULL;
}

bool json_get_float(const json_t *object, const char *key, float *out, const char *path, Error *e)
{
    double x = 0;
    char text[32];
    if (!json_get_real(object, key, &x, path, e))
        return false;
    return decimal_to_float(decimal_double(x, text), out)
        || error_set(e, "%s: \"%s\" is %s, which is beyond fp32", path, key, text);
}

json_t *json_decimal(float x)
{
    char text[32];
    double d;
    decimal_float(x, text);
    return decimal_to_double(text, &d) ? json_real(d) : json_string(text);
}

static void new_line(FILE *f, int indent, int depth)
{
    if (indent)
        fprintf(f, "\n%*s", indent * depth, "");
}

static void print(FILE *f, const json_t *value, int indent, int depth)
{
    char text[32];
    const char *key;
    const json_t *child;
    size_t i, n = 0;
    if (json_is_real(value)) {
        fputs(decimal_double(json_real_value(value), text), f);
    } else if (json_is_object(value) && json_object_size(value)) {
        json_object_foreach((json_t *)value, key, child) {
            json_t *name = json_string(key);
            fputs(n++ ? (indent ? "," : ", ") : "{", f);
            new_line(f, indent, depth + 1);
            json_dumpf(name, f, JSON_ENCODE_ANY);
            fputs(": ", f);
            print(f, child, indent, depth + 1);
            json_decref(name);
        }
        new_line(f, indent, depth);
        fputc('}', f);
    } else if (json_is_array(value) && json_array_size(value)) {
        json_array_foreach(value, i, child) {
            fputs(i ? (indent ? "," : ", ") : "[", f);
            new_line(f, indent, depth + 1);
            print(f, child, indent, depth + 1);
        }
        new_line(f, indent, depth);
        fputc(']', f);
    } else {
        json_dumpf(value, f, JSON_ENCODE_ANY);
    }
}

void json_print(FILE *f, const json_t *value, int indent)
{
    print(f, value, indent, 0);
}

bool json_save(const char *path, const json_t *value, Error *e)
{
    FileWriter w;
    if (!value)
        return error_set(e, "%s: cannot be written: its JSON was not made, because a text is not UTF-8, a number is not finite, "
                            "or memory ran out", path);
    if (!file_begin(&w, path, e))
        return false;
    json_print(w.stream, value, 2);
    fputc('\n', w.stream);
    return file_finish(&w, e);
}
