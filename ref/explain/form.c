/* SPDX-License-Identifier: MIT */
#include "ref/explain/form.h"

#include <stdio.h>
#include <string.h>

#define CODE(method, who, switches, differs) { #method, who, switches, differs },
#define OURS(...)
#define WHOLE(...)
const Code codes[] = {
#include "ref/explain/codes.def"
};
#undef CODE
#undef OURS
#undef WHOLE
const size_t codes_count = sizeof codes / sizeof *codes;

#define CODE(...)
#define OURS(method, key, why) { #method, #key, why },
#define WHOLE(...)
const Ours ours[] = {
#include "ref/explain/codes.def"
};
#undef OURS
#undef WHOLE
const size_t ours_count = sizeof ours / sizeof *ours;

#define OURS(...)
#define WHOLE(method) #method,
static const char *const whole[] = {
#include "ref/explain/codes.def"
};
#undef CODE
#undef OURS
#undef WHOLE

bool method_trains_whole_weights(const Method *m)
{
    for (size_t k = 0; k < sizeof whole / sizeof *whole; k++)
        if (strcmp(whole[k], m->name) == 0)
            return true;
    return false;
}

const char *ours_why(const char *method, const char *key)
{
    for (size_t k = 0; k < ours_count; k++)
        if (strcmp(ours[k].method, method) == 0 && strcmp(ours[k].key, key) == 0)
            return ours[k].why;
    return NULL;
}

static bool begins(const char *text, const char *word) { return strncmp(text, word, strlen(word)) == 0; }

/* Reads data.mask, the only setting of a preset that a form follows: a form leaves the optimiser, the adapters, the
 * batches and the steps of the preset out. */
static void read_mask(Form *f, const char *settings)
{
    const char *mask = strstr(settings, "data.mask=");
    if (mask)
        f->all_text = begins(mask, "data.mask=all_text");
}

static bool applies(const Preset *p, const char *preset, const Form *f)
{
    return strcmp(p->preset, preset) == 0 && (strcmp(p->method, "*") == 0 || strcmp(p->method, f->method->name) == 0);
}

static bool read_preset(Form *f, const char *preset, Error *e)
{
    if (!preset_known(preset, e) || !hyperparameters_make(&f->v, f->method, preset, e))
        return false;
    for (size_t k = 0; k < presets_count; k++)
        if (applies(&presets[k], preset, f))
            read_mask(f, presets[k].settings);
    return true;
}

static bool read_method(Form *f, const char *name, Error *e)
{
    const Method *m = method_find(name);
    if (!m)
        return error_set(e, "codes.def: there is no method %s, expected one of `pulse-ref list methods`", name);
    f->method = m;
    return hyperparameters_make(&f->v, m, NULL, e);
}

bool form_read(Form *f, const Method *m, const char *switches, Error *e)
{
    char word[96];
    *f = (Form){ .method = m };
    if (!hyperparameters_make(&f->v, m, NULL, e))
        return false;
    for (const char *at = switches; *at; at += strspn(at, " ")) {
        const size_t n = strcspn(at, " ");
        if (n >= sizeof word)
            return error_set(e, "codes.def: \"%s\" is too long", at);
        snprintf(word, sizeof word, "%.*s", (int)n, at);
        at += n;
        if (begins(word, "data.mask="))
            read_mask(f, word);
        else if (!(begins(word, "preset=") ? read_preset(f, word + strlen("preset="), e)
                   : begins(word, "method=") ? read_method(f, word + strlen("method="), e) : hyperparameters_apply(&f->v, word, e)))
            return error_prefix(e, "codes.def: %s", m->name);
    }
    return true;
}

/* Whether one switch changes anything: it sets the mask, it names another method, or it gives a value other than the
 * default to a key that the method reads. */
static bool matters(const Method *m, const char *word)
{
    Hyperparameters usual, v;
    Error e = { .failed = false };
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    const char *key = hyperparameter_key(name);
    if (!key)
        return begins(word, "method=") || begins(word, "data.mask=");
    return method_reads_key(m, key) && hyperparameters_make(&usual, m, NULL, &e) && (v = usual, hyperparameters_apply(&v, word, &e))
        && memcmp(&usual, &v, sizeof v) != 0;
}

/* Appends to `text` those switches of `more` that change anything. */
static const char *switches_append(const char *text, const Method *m, const char *more, Arena *a)
{
    for (const char *at = more; text && *at; at += strspn(at, " ")) {
        const size_t n = strcspn(at, " ");
        const char *word = arena_format(a, "%.*s", (int)n, at);
        at += n;
        if (word && matters(m, word))
            text = arena_format(a, "%s%s%s", text, *text ? " " : "", word);
    }
    return text;
}

const char *form_switches(const Method *m, const char *switches, Arena *a)
{
    Form f = { .method = m };
    const char *text = "";
    for (const char *at = switches; text && *at; at += strspn(at, " ")) {
        const size_t n = strcspn(at, " ");
        const char *word = arena_format(a, "%.*s", (int)n, at);
        at += n;
        if (!word)
            return NULL;
        if (begins(word, "method=") && method_find(word + strlen("method=")))
            f.method = method_find(word + strlen("method="));
        if (!begins(word, "preset=")) {
            text = switches_append(text, f.method, word, a);
            continue;
        }
        for (size_t k = 0; k < presets_count; k++)
            if (applies(&presets[k], word + strlen("preset="), &f)) {
                text = switches_append(text, f.method, presets[k].hyperparameters, a);
                text = switches_append(text, f.method, strstr(presets[k].settings, "data.mask=all_text") ? "data.mask=all_text" : "", a);
            }
    }
    return text;
}
