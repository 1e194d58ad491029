/* SPDX-License-Identifier: MIT */
#include "ref/settings.h"

#include <ini.h>
#include <stddef.h>
#include <string.h>
#include "tensor/file.h"
#include "tensor/json.h"

enum { CONFIG_LIMIT = 1 << 20 };

typedef struct {
    const char *section, *key;
    ValueType type;
    const char *fallback, *range, *help;
    size_t offset;
} Setting;

static const Setting settings[] = {
#define SETTING(section, key, TYPE, fallback, range, help) \
    { #section, #key, TYPE_##TYPE, fallback, range, help, offsetof(Settings, section##_##key) },
#include "ref/settings.def"
#undef SETTING
};

static void *field(const Settings *s, const Setting *what)
{
    return (char *)s + what->offset;
}

static bool value_set(Settings *s, const Setting *w, const char *text)
{
    return value_read(w->type, w->range, text, field(s, w), s->arena);
}

static bool expected(const Setting *w, const char *text, const char *where, Error *e)
{
    char name[128];
    snprintf(name, sizeof name, "%s%s.%s", where, w->section, w->key);
    return value_refuse(w->type, w->range, name, text, e);
}

static const Setting *find(const char *section, const char *key)
{
    for (size_t k = 0; k < SETTINGS; k++)
        if (strcmp(settings[k].section, section) == 0 && strcmp(settings[k].key, key) == 0)
            return &settings[k];
    return NULL;
}

void settings_defaults(Settings *s, Arena *a)
{
    *s = (Settings){ .arena = a };
    for (size_t k = 0; k < SETTINGS; k++)
        value_set(s, &settings[k], settings[k].fallback);
}

typedef struct {
    Settings *settings;
    Error *error;
    bool seen[SETTINGS];
} Reading;

/* inih tells the line of the first value that is refused (its return value), so the sentence waits for it. */
static int on_value(void *user, const char *section, const char *name, const char *value)
{
    Reading *r = user;
    const Setting *w = find(section, name);
    if (!w)
        return error_set(r->error, "unknown key %s.%s, expected one of `pulse-ref list config`", section, name);
    if (r->seen[w - settings])
        return error_set(r->error, "%s.%s stands there twice, expected once", section, name);
    r->seen[w - settings] = r->settings->given[w - settings] = true;
    return value_set(r->settings, w, value) || expected(w, value, "", r->error);
}

bool settings_read(Settings *s, const char *path, Error *e)
{
    size_t size;
    char *text = file_read(path, CONFIG_LIMIT, &size, s->arena, e);
    if (!text)
        return false;
    if (strlen(text) != size)
        return error_set(e, "%s:1: the file has a zero byte, expected text", path);
    Reading r = { .settings = s, .error = e };
    s->file = arena_text(s->arena, path);
    int line = ini_parse_string(text, on_value, &r);
    if (line == 0)
        return !e->failed;
    error_set(e, "not understood, expected [section], key = value or a comment, in at most 198 bytes");
    return error_prefix(e, "%s:%d", path, line);
}

bool settings_set(Settings *s, const char *assignment, Error *e)
{
    char name[128];
    const char *equals = strchr(assignment, '='), *dot = strchr(assignment, '.');
    if (!equals || !dot || dot > equals || (size_t)(equals - assignment) >= sizeof name)
        return error_set(e, "--set %.200s: expected section.key=value", assignment);
    snprintf(name, sizeof name, "%.*s", (int)(equals - assignment), assignment);
    name[dot - assignment] = 0;
    const Setting *w = find(name, name + (dot - assignment) + 1);
    if (!w)
        return error_set(e, "--set %.200s: unknown key, expected one of `pulse-ref list config`", assignment);
    s->given[w - settings] = true;
    return value_set(s, w, equals + 1) || expected(w, equals + 1, "--set ", e);
}

bool settings_preset(Settings *s, const char *assignments, Error *e)
{
    char one[256];
    for (const char *at = assignments; *at; at += strspn(at, " ")) {
        size_t n = strcspn(at, " ");
        snprintf(one, sizeof one, "%.*s", (int)n, at);
        Settings tried = *s;
        if (!settings_set(&tried, one, e))
            return false;
        for (size_t k = 0; k < SETTINGS; k++)
            if (tried.given[k] && !s->given[k]) {
                *s = tried;
                s->given[k] = false;
            }
        at += n;
    }
    return true;
}

const char *settings_path(const Settings *s, const char *path)
{
    const char *slash = s->file ? strrchr(s->file, '/') : NULL;
    if (!slash || path[0] == '/' || path[0] == 0)
        return path;
    return arena_format(s->arena, "%.*s/%s", (int)(slash - s->file), s->file, path);
}

static void value_text(const Settings *s, const Setting *w, char out[512])
{
    const void *from = field(s, w);
    const char *choices = w->range;
    switch (w->type) {
    case TYPE_INT:    snprintf(out, 512, "%lld", (long long)*(const int64_t *)from); break;
    case TYPE_REAL:   decimal_float(*(const float *)from, out); break;
    case TYPE_BOOL:   strcpy(out, *(const bool *)from ? "yes" : "no"); break;
    case TYPE_TEXT:   snprintf(out, 512, "%s", *(const char *const *)from); break;
    case TYPE_CHOICE:
        for (int k = *(const int *)from; k > 0; k--)
            choices += strcspn(choices, "|") + 1;
        snprintf(out, 512, "%.*s", (int)strcspn(choices, "|"), choices);
    }
}

char *settings_text(const Settings *s, Arena *a)
{
    char *all = arena_alloc(a, SETTINGS * 640), *to = all, value[512];
    for (size_t k = 0; all && k < SETTINGS; k++) {
        value_text(s, &settings[k], value);
        to += snprintf(to, 640, "%s.%s = %s\n", settings[k].section, settings[k].key, value);
    }
    return all;
}

void settings_list(FILE *to, bool json)
{
    json_t *list = json_array();
    for (size_t k = 0; k < SETTINGS; k++) {
        const Setting *w = &settings[k];
        if (json)
            json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "section", w->section, "key", w->key, "type", value_type_name(w->type),
                                                  "default", w->fallback, "range", w->range, "help", w->help));
        else
            fprintf(to, "%s.%s = %s    (%s %s) %s\n", w->section, w->key, w->fallback, value_type_name(w->type), w->range, w->help);
    }
    if (json) {
        json_dumpf(list, to, JSON_INDENT(1));
        fputc('\n', to);
    }
    json_decref(list);
}
