/* SPDX-License-Identifier: MIT */
#include "ref/config/settings.h"

#include <ini.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "ref/cli/table.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tensor/base/limits.h"
#include "unlearn/method.h"

typedef struct {
    const char *section, *key;
    ValueType type;
    const char *fallback, *range;
    unsigned parts;
    size_t offset;
} Setting;

static const Setting settings[] = {
#define SETTING(section, key, TYPE, fallback, range, parts, help) \
    { #section, #key, TYPE_##TYPE, fallback, range, parts, offsetof(Settings, section##_##key) },
#include "ref/config/settings.def"
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

static bool refuse(const char *method, const Setting *w, const char *text, const char *where, Error *e)
{
    char name[192];
    snprintf(name, sizeof name, "%s%s%s%s%s.%s", where, method ? "method." : "", method ? method : "", method ? "." : "",
             w->section, w->key);
    return value_refuse(w->type, w->range, name, text, e);
}

/* --- names: "optimiser.lr", and "method.rmu.optimiser.lr", which holds for one method --- */

/* The value of a key for one method. */
struct MethodSetting {
    const char *method;
    const Setting *what;
    const char *text, *from;
    struct MethodSetting *next;
};

static const Setting *find(const char *name)
{
    size_t section = strcspn(name, ".");
    const char *key = name + section + (name[section] == '.');
    if (strncmp(name, "unlearn.", section + 1) == 0 && hyperparameter_key(key))
        key = hyperparameter_key(key);
    for (size_t k = 0; name[section] && k < SETTINGS; k++)
        if (strlen(settings[k].section) == section && strncmp(settings[k].section, name, section) == 0
            && strcmp(settings[k].key, key) == 0)
            return &settings[k];
    return NULL;
}

/* The setting of that name. *method becomes the method that it holds for, or NULL where it holds for all methods. */
static const Setting *find_named(const char *name, const char **method, Error *e)
{
    static const char prefix[] = "method.";
    const Setting *w = find(name);
    *method = NULL;
    if (w)
        return w;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return error_set(e, "unknown key %.120s, expected one of `pulse-ref list config`", name), NULL;
    char text[64];
    const char *from = name + sizeof prefix - 1;
    snprintf(text, sizeof text, "%.*s", (int)strcspn(from, "."), from);
    const Method *m = method_find(text);
    if (!m)
        return error_set(e, "%.120s: there is no method %s, expected one of `pulse-ref list methods`", name,
                         text), NULL;
    from += strlen(text);
    w = *from ? find(from + 1) : NULL;
    if (!w || !(w->parts & PER_METHOD))
        return error_set(e, "%.120s is not a key of one method, expected data.mask, train.trainable or a key of unlearn, optimiser or "
                            "lora, for instance method.%s.optimiser.lr (budgets are in [steps]: \"50 %s=125\")", name, m->name,
                         m->name), NULL;
    if (strcmp(w->section, "unlearn") == 0 && hyperparameter_key(w->key) && strcmp(w->key, "seed") != 0
            && !method_reads_key(m, w->key))
        return error_set(e, "%.120s: %s does not read %s, expected one of the keys of `pulse-ref explain %s`", name, m->name, w->key,
                         m->name), NULL;
    *method = m->name;
    return w;
}

/* The link that points to this method's value of a key, or the last link of the list, which is NULL. */
static struct MethodSetting **method_setting_at(Settings *s, const char *method, const Setting *w)
{
    struct MethodSetting **at = &s->of_methods;
    while (*at && ((*at)->what != w || strcmp((*at)->method, method) != 0))
        at = &(*at)->next;
    return at;
}

/* A value for one method is parsed twice: here, so that a wrong one is refused at its line, and by settings_for_method,
 * which puts it in force. */
static bool method_setting_set(Settings *s, const char *method, const Setting *w, const char *text, const char *from)
{
    Settings tried = *s;
    if (!value_set(&tried, w, text))
        return false;
    struct MethodSetting **at = method_setting_at(s, method, w), *rest = *at ? (*at)->next : NULL;
    *at = arena_alloc(s->arena, sizeof **at);
    if (*at)
        **at = (struct MethodSetting){ method, w, arena_text(s->arena, text),
                                       arena_format(s->arena, "%s, [method.%s]", from, method), rest };
    return *at != NULL;
}

void settings_for_method(Settings *s, const char *method)
{
    for (const struct MethodSetting *o = s->of_methods; o; o = o->next)
        if (strcmp(o->method, method) == 0) {
            s->given[o->what - settings] = value_set(s, o->what, o->text);
            s->from[o->what - settings] = o->from;
        }
}

/* --- reading --- */

void settings_defaults(Settings *s, Arena *a)
{
    *s = (Settings){ .arena = a };
    for (size_t k = 0; k < SETTINGS; k++)
        value_set(s, &settings[k], settings[k].fallback);
}

static bool assign(Settings *s, const char *method, const Setting *w, const char *text, const char *from)
{
    if (method)
        return method_setting_set(s, method, w, text, from);
    s->given[w - settings] = true;
    s->from[w - settings] = from;
    return value_set(s, w, text);
}

typedef struct {
    Settings *settings;
    Error *error;
    bool seen[SETTINGS];
} Reading;

/* Called by inih for each value; false refuses the value. ini_parse_string returns the line of the first refused value,
 * and settings_read then puts it before the sentence. */
static int on_value(void *user, const char *section, const char *name, const char *value)
{
    Reading *r = user;
    if (!*section)
        return error_set(r->error, "%.120s is in no section, expected a line [section] before it", name);
    const char *method, *full = arena_format(r->settings->arena, "%s.%s", section, name);
    const Setting *w = full ? find_named(full, &method, r->error) : NULL;
    if (!w)
        return false;
    if (method ? *method_setting_at(r->settings, method, w) != NULL : r->seen[w - settings])
        return error_set(r->error, "%s appears twice, expected once", full);
    r->seen[w - settings] |= !method;
    return assign(r->settings, method, w, value, r->settings->file) || refuse(method, w, value, "", r->error);
}

bool settings_read(Settings *s, const char *path, Error *e)
{
    size_t size;
    char *text = file_text(path, LIMIT_SETTINGS, &size, s->arena, e);
    if (!text)
        return false;
    if (strlen(text) != size)
        return error_set(e, "%s:1: the file has a zero byte, expected text", path);
    Reading r = { .settings = s, .error = e };
    s->file = arena_text(s->arena, path);
    int line = ini_parse_string(text, on_value, &r);
    if (line == 0)
        return !e->failed;
    error_set(e, "the line cannot be read, expected [section], key = value or a comment, of at most 198 bytes");
    return error_prefix(e, "%s:%d", path, line);
}

/* Finds the setting of "section.key=value"; *text becomes the value. */
static const Setting *assignment_read(const char *assignment, const char **method, const char **text, Arena *a,
                                      Error *e)
{
    const char *equals = strchr(assignment, '='), *dot = strchr(assignment, '.');
    if (!equals || !dot || dot > equals)
        return error_set(e, "--set %.200s: expected section.key=value", assignment), NULL;
    const char *name = arena_format(a, "%.*s", (int)(equals - assignment), assignment);
    const Setting *w = name ? find_named(name, method, e) : NULL;
    *text = equals + 1;
    return w || !name ? w : (error_prefix(e, "--set"), NULL);
}

bool settings_set(Settings *s, const char *assignment, Error *e)
{
    const char *method, *text;
    const Setting *w = assignment_read(assignment, &method, &text, s->arena, e);
    return w && (assign(s, method, w, text, "--set") || refuse(method, w, text, "--set ", e));
}

bool settings_give(Settings *s, const char *name, const char *value, Error *e)
{
    const char *method;
    const Setting *w = find_named(name, &method, e);
    return w && (assign(s, method, w, value, "given") || refuse(method, w, value, "", e));
}

bool settings_open(Settings *s, const char *config, const OptionList *set, Arena *a, Error *e)
{
    settings_defaults(s, a);
    if (config && !settings_read(s, config, e))
        return false;
    for (size_t k = 0; k < set->count; k++)
        if (!settings_set(s, set->item[k], e))
            return false;
    return true;
}

bool settings_preset(Settings *s, const char *assignments, const char *from, Error *e)
{
    char *rest = arena_text(s->arena, assignments), *word;
    const char *method, *text;
    while (rest && (word = strtok_r(rest, " ", &rest))) {
        const Setting *w = assignment_read(word, &method, &text, s->arena, e);
        if (!w)
            return false;
        if (s->given[w - settings])
            continue;
        if (!value_set(s, w, text))
            return refuse(NULL, w, text, "", e);
        s->from[w - settings] = from;
    }
    return rest != NULL;
}

const char *settings_path(const Settings *s, const char *path)
{
    const char *slash = s->file ? strrchr(s->file, '/') : NULL;
    if (!slash || path[0] == '/' || path[0] == 0)
        return path;
    return arena_format(s->arena, "%.*s/%s", (int)(slash - s->file), s->file, path);
}

const char *settings_input(const Settings *s, const char *key, const char *path, Error *e)
{
    const char *full = settings_path(s, path);
    if (full && *full && file_exists(full))
        return full;
    error_set(e, *path ? "is \"%s\", which is not there" : "is empty, expected a name of a file or folder", path);
    return settings_error_prefix(s, key, e), NULL;
}

bool settings_error_prefix(const Settings *s, const char *key, Error *e)
{
    return error_prefix(e, "%s: %s", s->file ? s->file : "--set", key);
}

/* --- printing --- */

/* The value in force as text, which may be of any length; NULL: no memory. */
static const char *value_text(const Settings *s, const Setting *w, Arena *a)
{
    const void *from = field(s, w);
    const char *choices = w->range;
    char number[32];
    switch (w->type) {
    case TYPE_INT:  return arena_format(a, "%lld", (long long)*(const int64_t *)from);
    case TYPE_REAL: return arena_text(a, decimal_float(*(const float *)from, number));
    case TYPE_BOOL: return *(const bool *)from ? "yes" : "no";
    case TYPE_TEXT: return *(const char *const *)from;
    case TYPE_CHOICE:
        for (int k = *(const int *)from; k > 0; k--)
            choices += strcspn(choices, "|") + 1;
        return arena_format(a, "%.*s", (int)strcspn(choices, "|"), choices);
    }
    return NULL;
}

/* The lines one after another; NULL: no memory, for them or for one of them. */
static char *lines_join(const char *const *line, size_t count, Arena *a)
{
    size_t n = 1;
    for (size_t k = 0; k < count; k++) {
        if (!line[k])
            return NULL;
        n += strlen(line[k]);
    }
    char *all = arena_alloc(a, n), *to = all;
    for (size_t k = 0; all && k < count; k++)
        to = stpcpy(to, line[k]);
    if (all)
        *to = 0;
    return all;
}

/* The name of a key in a manifest. A hyperparameter that was renamed keeps the name under which it was first
 * recorded. */
static const char *recorded_key(const Setting *w)
{
    return strcmp(w->section, "unlearn") == 0 ? hyperparameter_recorded(w->key) : w->key;
}

/* "section.key = value", or "method.NAME.section.key = value"; `method` is "" where the value holds for all methods. */
static const char *line_text(const char *method, const Setting *w, const char *value, Arena *a)
{
    return value ? arena_format(a, "%s%s%s%s.%s = %s\n", *method ? "method." : "", method, *method ? "." : "", w->section,
                                recorded_key(w), value)
                 : NULL;
}

char *settings_text(const Settings *s, Arena *a)
{
    size_t n = 0, more = 0;
    for (const struct MethodSetting *o = s->of_methods; o; o = o->next)
        more++;
    const char **line = arena_array(a, SETTINGS + more, sizeof *line);
    for (; line && n < SETTINGS; n++)
        line[n] = line_text("", &settings[n], value_text(s, &settings[n], a), a);
    for (const struct MethodSetting *o = s->of_methods; line && o; o = o->next)
        line[n++] = line_text(o->method, o->what, o->text, a);
    return line ? lines_join(line, n, a) : NULL;
}

size_t settings_rows(const Settings *s, unsigned part, SettingRow rows[SETTINGS], Arena *a)
{
    size_t n = 0;
    for (const Setting *w = settings; w < settings + SETTINGS; w++)
        if (w->parts & part)
            rows[n++] = (SettingRow){ w->section, w->key, value_text(s, w, a), s->from[w - settings] };
    return n;
}

/* The SHA-256 of a file, or, where `path` is the folder of an adapter, of the digests of its two files. */
static bool content_digest(const char *path, Digest *d, Arena *a, Error *e)
{
    const char *const files[] = { arena_format(a, "%s/adapter_config.json", path), arena_format(a, "%s/adapter_model.safetensors", path) };
    if (!files[0] || !files[1])
        return false;
    if (!file_exists(files[0]))
        return digest_file(path, d, e);
    Hash h = hash_begin();
    for (int k = 0; k < 2; k++) {
        if (!digest_file(files[k], d, e))
            return false;
        hash_text(&h, d->hex);
    }
    *d = hash_end(&h);
    return true;
}

/* The digest of what a key names, or the digests of a LIST with commas between; "": the key names nothing. */
static const char *content_text(const Settings *s, const Setting *w, Arena *a, Error *e)
{
    const char *value = value_text(s, w, a), *key = arena_format(a, "%s.%s", w->section, w->key), *text = "";
    char *rest = value ? arena_text(a, value) : NULL;
    while (rest && key && text && *rest) {
        const char *path = settings_input(s, key, strsep(&rest, w->parts & LIST ? "," : ""), e);
        Digest d;
        if (!path || !content_digest(path, &d, a, e))
            return NULL;
        text = *text ? arena_format(a, "%s,%s", text, d.hex) : arena_text(a, d.hex);
    }
    return value && key ? text : NULL;
}

/* Whether the key is left out of the text whose digest identifies a training, rounds, answers or a step: it has its
 * default, and either the key is newer than recorded digests (hyperparameter_is_later), or settings.def marks it
 * UNLESS_DEFAULT. */
static bool left_out(const Settings *s, const Setting *w, Arena *a)
{
    const bool later = strcmp(w->section, "unlearn") == 0 && hyperparameter_is_later(w->key);
    const char *value = later || w->parts & UNLESS_DEFAULT ? value_text(s, w, a) : NULL;
    return value && strcmp(value, w->fallback) == 0;
}

char *settings_part(const Settings *s, unsigned part, Arena *a, Error *e)
{
    size_t n = 0;
    const char *line[SETTINGS];
    for (const Setting *w = settings; w < settings + SETTINGS; w++)
        if (w->parts & part && !left_out(s, w, a))
            line[n++] = line_text("", w, w->parts & BY_CONTENT ? content_text(s, w, a, e) : value_text(s, w, a), a);
    return e->failed ? NULL : lines_join(line, n, a);
}
