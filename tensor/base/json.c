/* SPDX-License-Identifier: MIT */
#include "tensor/base/json.h"

#include <setjmp.h>
#include <string.h>
#include "tensor/base/file.h"
#include "tensor/base/limits.h"

/* --- jansson's memory ---
 *
 * jansson 2.14 does not check every allocation. If one fails, its parser may lose characters or digits and still report
 * success. It may also abort, or write beyond a block. Its printer may lose a key. So every allocation of jansson goes
 * through noting_malloc, which remembers a failure for its thread. If the failure is in the parser, longjmp leaves the
 * parser at once, and the memory that it holds is freed. If the failure is in the printer, what it printed is not used.
 * noting_malloc and noting_free call the functions that were set before, perhaps by a program that uses this
 * library. */

static json_malloc_t their_malloc;
static json_free_t their_free;
static _Thread_local bool starved;                       // an allocation has failed
static _Thread_local jmp_buf *way_out;                   // where longjmp leads; NULL: no parser is running
static _Thread_local struct { void **at; size_t count, capacity; } held;      // what the parser holds while it runs

/* Notes that the parser holds p. False: no memory. */
static bool hold(void *p)
{
    if (held.count == held.capacity) {
        const size_t capacity = 2 * held.capacity + 64;
        void **larger = their_malloc(capacity * sizeof *larger);
        if (!larger)
            return false;
        if (held.count)
            memcpy(larger, held.at, held.count * sizeof *larger);
        their_free(held.at);
        held.at = larger;
        held.capacity = capacity;
    }
    held.at[held.count++] = p;
    return true;
}

static void *noting_malloc(size_t n)
{
    void *p = their_malloc(n);
    if (p && way_out && !hold(p)) {
        their_free(p);
        p = NULL;
    }
    starved = starved || !p;
    if (!p && way_out)
        longjmp(*way_out, 1);
    return p;
}

/* Searches from the end, because the block that is freed is usually the last one that was allocated. */
static void noting_free(void *p)
{
    for (size_t k = held.count; way_out && p && k > 0; k--)
        if (held.at[k - 1] == p) {
            held.at[k - 1] = held.at[--held.count];
            break;
        }
    their_free(p);
}

__attribute__((constructor)) static void note_from_now_on(void)
{
    json_get_alloc_funcs(&their_malloc, &their_free);
    json_set_alloc_funcs(noting_malloc, noting_free);
}

__attribute__((destructor)) static void note_no_more(void)
{
    json_malloc_t now;
    json_get_alloc_funcs(&now, NULL);
    if (now == noting_malloc)
        json_set_alloc_funcs(their_malloc, their_free);
}

/* Whether jansson lacked memory on this thread since the last call. */
static bool was_starved(void)
{
    const bool was = starved;
    starved = false;
    return was;
}

/* --- reading --- */

/* Checks the depth of the text before jansson reads it, because jansson recurses into brackets. */
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
        else if (!inside && (c == '[' || c == '{') && ++depth > LIMIT_JSON_DEPTH)
            return error_set(e, "%s:%d: is nested more than %d deep", path, line, LIMIT_JSON_DEPTH);
        else if (!inside && (c == ']' || c == '}'))
            depth--;
    }
    return true;
}

/* NULL without a message: memory ran out. */
static json_t *load(const char *text, size_t n, size_t flags, json_error_t *why)
{
    jmp_buf here;
    json_t *volatile value = NULL;
    *why->text = 0;
    way_out = &here;
    if (setjmp(here) == 0)
        value = json_loadb(text, n, JSON_REJECT_DUPLICATES | flags, why);
    way_out = NULL;
    while (starved && held.count > 0)
        their_free(held.at[--held.count]);
    their_free(held.at);
    memset(&held, 0, sizeof held);
    return value;
}

static json_t *parse(const char *text, size_t n, const char *path, size_t flags, Error *e)
{
    json_error_t why;
    if (!depth_check(text, n, path, e))
        return NULL;
    const bool before = was_starved();                   // a failure of an earlier building call, kept for the next writing call
    json_t *value = load(text, n, flags, &why);
    if (was_starved())
        error_no_memory(e, "%s: no memory to read its JSON", path);
    else if (!value)
        error_set(e, "%s:%d: is not JSON: %s", path, why.line > 0 ? why.line : 1, why.text);
    starved = before;
    return value;
}

json_t *json_parse(const char *text, size_t n, const char *path, Error *e) { return parse(text, n, path, 0, e); }

json_t *json_constant(const char *text, Error *e)
{
    return parse(text, strlen(text), "the program's own JSON", JSON_DECODE_ANY, e);
}

static json_t *file_parse(const char *path, size_t limit, size_t flags, Error *e)
{
    Arena a = arena_make(e);
    size_t n;
    char *text = file_text(path, limit, &n, &a, e);
    json_t *value = text ? parse(text, n, path, flags, e) : NULL;
    arena_free(&a);
    return value;
}

json_t *json_file(const char *path, size_t limit, Error *e) { return file_parse(path, limit, 0, e); }

json_t *json_file_wide(const char *path, size_t limit, Error *e)
{
    return file_parse(path, limit, JSON_DECODE_INT_AS_REAL, e);
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

/* --- building --- */

/* Whether this thread could not make or add some part of a value, and whether the reason was a lack of memory. */
static _Thread_local bool lost, lost_by_memory;

/* Notes whether a call that made or added a part has failed. Returns whether it succeeded. */
static bool kept(int status)
{
    const bool by_memory = was_starved();
    lost_by_memory = lost ? lost_by_memory || by_memory : by_memory;
    lost = lost || by_memory || status != 0;
    return status == 0 && !by_memory;
}

bool json_add(json_t *list, json_t *value)
{
    return kept(json_array_append_new(list, value));
}

bool json_put(json_t *object, const char *key, json_t *value)
{
    return kept(json_object_set_new(object, key, value));
}

bool json_join(json_t *object, json_t *more)
{
    int status = json_object_update(object, more);
    json_decref(more);
    return kept(status);
}

/* Whether `value` is not NULL and this thread has lost no part of any value since the last call. */
static bool whole(const json_t *value)
{
    kept(value ? 0 : -1);
    const bool good = !lost;
    lost = false;
    return good;
}

static bool not_whole(Error *e)
{
    if (lost_by_memory)
        return error_no_memory(e, "its JSON was not made, because memory ran out");
    return error_set(e, "its JSON was not made, because a text is not UTF-8 or a number is not finite");
}

bool json_whole(const json_t *value, Error *e) { return whole(value) || not_whole(e); }

json_t *json_decimal(float x)
{
    char text[32];
    double d;
    decimal_float(x, text);
    return decimal_to_double(text, &d) ? json_real(d) : json_string(text);
}

/* --- writing: only json_compact asks for jansson's memory --- */

static void new_line(FILE *f, int indent, int depth)
{
    if (indent)
        fprintf(f, "\n%*s", indent * depth, "");
}

static void print_text(FILE *f, const char *text, size_t n)
{
    static const char escaped[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
    putc('"', f);
    for (size_t k = 0; k < n; k++) {
        const unsigned char c = (unsigned char)text[k];
        const char *found = c ? strchr(escaped, c) : NULL;
        if (found)
            fprintf(f, "\\%c", letters[found - escaped]);
        else if (c < ' ')
            fprintf(f, "\\u%04X", c);
        else
            putc(c, f);
    }
    putc('"', f);
}

static void print_childless(FILE *f, const json_t *value)
{
    char text[32];
    switch (json_typeof(value)) {
    case JSON_OBJECT:  fputs("{}", f); break;
    case JSON_ARRAY:   fputs("[]", f); break;
    case JSON_STRING:  print_text(f, json_string_value(value), json_string_length(value)); break;
    case JSON_INTEGER: fprintf(f, "%" JSON_INTEGER_FORMAT, json_integer_value(value)); break;
    case JSON_REAL:    fputs(decimal_double(json_real_value(value), text), f); break;
    case JSON_TRUE:    fputs("true", f); break;
    case JSON_FALSE:   fputs("false", f); break;
    case JSON_NULL:    fputs("null", f); break;
    }
}

static void print(FILE *f, const json_t *value, int indent, int depth)
{
    const char *key;
    const json_t *child;
    size_t i, n = 0;
    if (json_is_object(value) && json_object_size(value)) {
        json_object_foreach((json_t *)value, key, child) {
            fputs(n++ ? (indent ? "," : ", ") : "{", f);
            new_line(f, indent, depth + 1);
            print_text(f, key, strlen(key));
            fputs(": ", f);
            print(f, child, indent, depth + 1);
        }
        new_line(f, indent, depth);
        putc('}', f);
    } else if (json_is_array(value) && json_array_size(value)) {
        json_array_foreach(value, i, child) {
            fputs(i ? (indent ? "," : ", ") : "[", f);
            new_line(f, indent, depth + 1);
            print(f, child, indent, depth + 1);
        }
        new_line(f, indent, depth);
        putc(']', f);
    } else {
        print_childless(f, value);
    }
}

bool json_print(FILE *f, const json_t *value, int indent)
{
    const bool good = whole(value);
    if (good)
        print(f, value, indent, 0);
    return good;
}

bool json_line(FILE *f, json_t *value, Error *e)
{
    const bool good = json_print(f, value, 0) || not_whole(e);
    if (good)
        putc('\n', f);
    json_decref(value);
    return good;
}

char *json_compact(const json_t *value, Error *e)
{
    if (!whole(value))
        return not_whole(e), NULL;
    char *text = json_dumps(value, JSON_COMPACT);
    if (!was_starved() && text)
        return text;
    their_free(text);
    error_no_memory(e, "out of memory for a JSON text");
    return NULL;
}

bool json_save(const char *path, const json_t *value, Error *e)
{
    FileWriter w;
    if (!whole(value))
        return not_whole(e) || error_prefix(e, "%s: cannot be written", path);
    if (!file_begin(&w, path, e))
        return false;
    print(w.stream, value, 2, 0);
    putc('\n', w.stream);
    return file_finish(&w, e);
}
