/* SPDX-License-Identifier: MIT */
#include "eval/evidence/registration.h"

#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "eval/scenario.h"
#include "eval/words.h"
#include "model/lora/lora.h"
#include "tensor/base/decimal.h"
#include "tensor/base/file.h"
#include "tensor/base/limits.h"
#include "unlearn/method.h"

const MeasureInfo measure_info[MEASURES] = {
#define MEASURE(name, arms, formula) { #name, arms, formula },
#include "eval/evidence/measures.def"
#undef MEASURE
};

enum {
#define KEY(section, key, help) KEY_##section##_##key,
#include "eval/evidence/registration.def"
#undef KEY
    KEYS
};

static const struct { const char *section, *key; bool optional; } keys[KEYS] = {
#define KEY(section, key, help) { #section, #key, false },
#define OPTIONAL(section, key, help) { #section, #key, true },
#include "eval/evidence/registration.def"
#undef KEY
};

/* A section of the file, with its values as texts. */
typedef struct {
    const char *kind, *name;             // "arm", "E"; name "": it has none
    size_t line;
    const char *value[KEYS];             // NULL: the section does not have the key
    size_t at[KEYS];                     // the line of each value
} Section;

enum { SECTIONS_MAX = ARMS_MAX + FINDINGS_MAX + 1, WORD = 80 };

typedef struct {
    Registration *out;
    Section section[SECTIONS_MAX];
    size_t sections, line;
    const char *rest;                    // the part of the file's text that is not read yet
    Arena *arena;
    Error *error;
} Reading;

/* Fails with "FILE:LINE: sentence". */
__attribute__((format(printf, 3, 4))) static bool refuse(const Reading *r, size_t line, const char *format, ...)
{
    char text[512];
    va_list more;
    va_start(more, format);
    vsnprintf(text, sizeof text, format, more);
    va_end(more);
    return error_set(r->error, "%s:%zu: %s", r->out->path, line, text);
}

/* --- the file, line by line --- */

/* Gives inih the next line, as fgets does, and counts it. */
static char *line_next(char *out, int size, void *user)
{
    Reading *r = user;
    size_t n = strcspn(r->rest, "\n");
    n += r->rest[n] == '\n';
    if (n == 0)
        return NULL;
    r->line++;
    const size_t kept = n < (size_t)size - 1 ? n : (size_t)size - 1;
    memcpy(out, r->rest, kept);
    out[kept] = 0;
    r->rest += n;
    if (kept < n)
        error_set(r->error, "%s:%zu: the line has %zu bytes, expected at most %d", r->out->path, r->line, n, size - 2);
    return out;
}

static Section *section_of(Reading *r, const char *header)
{
    char kind[WORD];
    snprintf(kind, sizeof kind, "%.*s", (int)strcspn(header, " "), header);
    const char *name = header + strcspn(header, " ") + strspn(header + strcspn(header, " "), " ");
    for (size_t k = 0; k < r->sections; k++)
        if (strcmp(r->section[k].kind, kind) == 0 && strcmp(r->section[k].name, name) == 0)
            return &r->section[k];
    const bool known = strcmp(kind, "registration") == 0 ? !*name : (strcmp(kind, "arm") == 0 || strcmp(kind, "finding") == 0) && *name;
    if (!known)
        return error_set(r->error, "the section is [%.80s], expected [registration], [arm NAME] or [finding NAME]", header), NULL;
    if (strpbrk(name, ", \"=") || strlen(name) >= WORD)
        return error_set(r->error, "the name \"%.80s\" has a blank, a comma or the like, expected one short word", name), NULL;
    if (r->sections == SECTIONS_MAX)
        return error_set(r->error, "there are more than %d sections", SECTIONS_MAX), NULL;
    Section *s = &r->section[r->sections++];
    *s = (Section){ arena_text(r->arena, kind), arena_text(r->arena, name), r->line, { NULL }, { 0 } };
    return s->kind && s->name ? s : NULL;
}

/* Called by inih for each value. The first failure ends the reading with its line. */
static int on_value(void *user, const char *header, const char *key, const char *value)
{
    Reading *r = user;
    if (r->error->failed)
        return false;
    Section *s = section_of(r, header);
    size_t k = 0;
    while (s && k < KEYS && (strcmp(keys[k].section, s->kind) != 0 || strcmp(keys[k].key, key) != 0))
        k++;
    if (s && k == KEYS)
        error_set(r->error, "[%s] has the unknown key %.80s, expected those of docs/evidence.md", header, key);
    else if (s && s->value[k])
        error_set(r->error, "[%s] has the key %s twice, expected it once", header, key);
    else if (s && !*value)
        error_set(r->error, "[%s] has nothing after %s =, expected a value", header, key);
    else if (s && (s->value[k] = arena_text(r->arena, value)))
        s->at[k] = r->line;
    return !r->error->failed || error_prefix(r->error, "%s:%zu", r->out->path, r->line);
}

static bool all_there(const Reading *r)
{
    if (!r->sections || strcmp(r->section[0].kind, "registration") != 0)
        return error_set(r->error, "%s:1: the section [registration] is not the first, expected it there", r->out->path);
    for (size_t s = 0; s < r->sections; s++)
        for (size_t k = 0; k < KEYS; k++)
            if (strcmp(keys[k].section, r->section[s].kind) == 0 && !keys[k].optional && !r->section[s].value[k])
                return error_set(r->error, "%s:%zu: [%s%s%s] has no key %s, expected all keys of docs/evidence.md", r->out->path,
                                 r->section[s].line, r->section[s].kind, *r->section[s].name ? " " : "", r->section[s].name, keys[k].key);
    return true;
}

/* --- what the values mean --- */

static bool number(const Reading *r, const Section *s, size_t key, double least, double most, double *out)
{
    return (decimal_to_double(s->value[key], out) && *out >= least && *out <= most)
        || refuse(r, s->at[key], "%s is \"%s\", expected a number from %g to %g", keys[key].key, s->value[key], least, most);
}

static bool whole(const Reading *r, const Section *s, size_t key, int64_t least, int64_t most, int64_t *out)
{
    return (decimal_to_int(s->value[key], out) && *out >= least && *out <= most)
        || refuse(r, s->at[key], "%s is \"%s\", expected a whole number from %lld to %lld", keys[key].key, s->value[key], (long long)least,
                      (long long)most);
}

/* Reads a list into out[0 … capacity-1]; each word may appear once. */
static bool list(const Reading *r, const Section *s, size_t key, const char **out, size_t capacity, size_t *count)
{
    char word[WORD];
    *count = 0;
    for (Words w = words_of(s->value[key]); word_next(&w, word, sizeof word); (*count)++) {
        for (size_t k = 0; k < *count; k++)
            if (strcmp(out[k], word) == 0)
                return refuse(r, s->at[key], "%s has \"%s\" twice, expected each word once", keys[key].key, word);
        if (*count == capacity)
            return refuse(r, s->at[key], "%s has more than %zu words, expected fewer", keys[key].key, capacity);
        if (!(out[*count] = arena_text(r->arena, word)))
            return false;
    }
    return *count > 0 || refuse(r, s->at[key], "%s has no word, expected at least one", keys[key].key);
}

static bool head_read(const Reading *r, const Section *s)
{
    Registration *o = r->out;
    const char *seed[LISTED_MAX], *level[LISTED_MAX];
    if (!whole(r, s, KEY_registration_bases, 2, SIGN_FLIP_MAX, &o->bases)
        || !whole(r, s, KEY_registration_snapshot_every, 1, 100000, &o->snapshot_every)
        || !number(r, s, KEY_registration_widest, 0, 1, &o->widest)
        || !list(r, s, KEY_registration_seeds, seed, LISTED_MAX, &o->seeds)
        || !list(r, s, KEY_registration_methods, o->method, LISTED_MAX, &o->methods)
        || !list(r, s, KEY_registration_levels, level, LISTED_MAX, &o->levels))
        return false;
    for (size_t k = 0; k < o->seeds; k++) {
        int64_t x;
        if (!decimal_to_int(seed[k], &x) || x < 0)
            return refuse(r, s->at[KEY_registration_seeds], "seeds has \"%s\", expected whole numbers from 0 on", seed[k]);
        o->seed[k] = (uint64_t)x;
    }
    for (size_t k = 0; k < o->methods; k++)
        if (!method_find(o->method[k]))
            return refuse(r, s->at[KEY_registration_methods], "methods has \"%s\", expected some of `pulse-ref list methods`",
                          o->method[k]);
    for (size_t k = 0; k < o->levels; k++)
        if (!decimal_to_double(level[k], &o->level[k]) || o->level[k] <= 0 || o->level[k] >= (k ? o->level[k - 1] : 1))
            return refuse(r, s->at[KEY_registration_levels], "levels has \"%s\", expected accuracies between 0 and 1, each below the one "
                                                             "before", level[k]);
    return true;
}

/* Reads the steps of an arm. With one run they are a budget for all methods; with several runs, one number for each
 * run. */
static bool steps_read(const Reading *r, const Section *s, Arm *x)
{
    const char *budget[2 * LISTED_MAX];
    size_t n = 0;
    if (!list(r, s, KEY_arm_steps, budget, sizeof budget / sizeof *budget, &n))
        return false;
    x->steps[0] = s->value[KEY_arm_steps];
    for (size_t k = 0; x->runs > 1 && k < x->runs && k < n; k++)
        x->steps[k] = budget[k];
    return x->runs == 1 || n == x->runs
        || refuse(r, s->at[KEY_arm_steps], "steps is \"%s\", expected one number for each of the %zu runs",
                  s->value[KEY_arm_steps], x->runs);
}

/* Reads the further settings of an arm's runs, words of the form section.key=value. */
static bool set_read(const Reading *r, const Section *s, Arm *x)
{
    if (!s->value[KEY_arm_set])
        return true;
    if (!list(r, s, KEY_arm_set, x->set, ARM_SETS, &x->sets))
        return false;
    for (size_t k = 0; k < x->sets; k++)
        if (!strchr(x->set[k], '=') || !strchr(x->set[k], '.'))
            return refuse(r, s->at[KEY_arm_set], "set has \"%s\", expected words of the form section.key=value", x->set[k]);
    return true;
}

static bool same_set(const Arm *x, const Arm *y)
{
    bool same = x->sets == y->sets;
    for (size_t k = 0; same && k < x->sets; k++)
        same = strcmp(x->set[k], y->set[k]) == 0;
    return same;
}

static bool arm_read(const Reading *r, const Section *s)
{
    Registration *o = r->out;
    Arm *x = &o->arm[o->arms];
    Trainable t;
    if (o->arms == ARMS_MAX)
        return refuse(r, s->line, "there are more than %d arms", ARMS_MAX);
    *x = (Arm){ .name = s->name, .model = s->value[KEY_arm_model], .scenario = s->value[KEY_arm_scenario],
                .trainable = s->value[KEY_arm_trainable], .reporting = s->value[KEY_arm_reporting], .line = s->line };
    o->arms++;
    if (!scenario_find(x->scenario))
        return refuse(r, s->at[KEY_arm_scenario], "scenario is \"%s\", expected one of `pulse-ref list scenarios`", x->scenario);
    if (!trainable_parse(x->trainable, &t))
        return refuse(r, s->at[KEY_arm_trainable], "trainable is \"%s\", expected llm, proj+llm or full", x->trainable);
    if (!list(r, s, KEY_arm_run, x->run, ARM_RUNS, &x->runs) || !list(r, s, KEY_arm_matching, x->matching, ARM_SPLITS, &x->splits)
        || !steps_read(r, s, x) || !set_read(r, s, x))
        return false;
    for (size_t k = 0; k + 1 < o->arms; k++)
        for (size_t i = 0; i < o->arm[k].runs; i++)
            for (size_t j = 0; j < x->runs; j++)
                if (strcmp(o->arm[k].run[i], x->run[j]) == 0
                    && (strcmp(o->arm[k].model, x->model) != 0 || !same_set(&o->arm[k], x)
                        || (strcmp(o->arm[k].scenario, x->scenario) == 0 && strcmp(o->arm[k].steps[i], x->steps[j]) != 0)))
                    return refuse(r, s->line, "the arms %s and %s share the run %s, expected the same model, the same settings and the "
                                              "same steps of a scenario", o->arm[k].name, x->name, x->run[j]);
    return true;
}

static bool finding_read(const Reading *r, const Section *s)
{
    Registration *o = r->out;
    Finding *x = &o->finding[o->findings];
    const char *arm[FINDING_ARMS];
    size_t n;
    if (o->findings == FINDINGS_MAX)
        return refuse(r, s->line, "there are more than %d findings", FINDINGS_MAX);
    *x = (Finding){ .name = s->name, .says = s->value[KEY_finding_says], .paper = s->value[KEY_finding_paper],
                    .measured = s->value[KEY_finding_measured], .measure = MEASURES };
    o->findings++;
    for (Measure m = 0; m < MEASURES; m++)
        if (strcmp(measure_info[m].name, s->value[KEY_finding_measure]) == 0)
            x->measure = m;
    if (x->measure == MEASURES)
        return refuse(r, s->at[KEY_finding_measure], "measure is \"%s\", expected one of docs/evidence.md", s->value[KEY_finding_measure]);
    if (!list(r, s, KEY_finding_arms, arm, FINDING_ARMS, &n) || !number(r, s, KEY_finding_threshold, -1, 1, &x->threshold)
        || !number(r, s, KEY_finding_delta, 0, 1, &x->delta))
        return false;
    if (n != measure_info[x->measure].arms)
        return refuse(r, s->at[KEY_finding_arms], "arms has %zu words, expected %zu for the measure %s", n, measure_info[x->measure].arms,
                         measure_info[x->measure].name);
    for (size_t k = 0; k < n; k++) {
        while (x->arm[k] < o->arms && strcmp(o->arm[x->arm[k]].name, arm[k]) != 0)
            x->arm[k]++;
        if (x->arm[k] == o->arms)
            return refuse(r, s->at[KEY_finding_arms], "there is no [arm %s]", arm[k]);
    }
    return true;
}

static bool order_read(const Reading *r, const Section *s)
{
    Registration *o = r->out;
    const char *name[LISTED_MAX];
    if (!list(r, s, KEY_registration_order, name, LISTED_MAX, &o->ordered))
        return false;
    for (size_t k = 0; k < o->ordered; k++) {
        size_t f = 0;
        while (f < o->findings && strcmp(o->finding[f].name, name[k]) != 0)
            f++;
        if (f == o->findings)
            return refuse(r, s->at[KEY_registration_order], "order has \"%s\", but there is no [finding %s]", name[k], name[k]);
        o->finding[f].order = k + 1;
    }
    return true;
}

/* Reads the sections of one kind. */
static bool each(const Reading *r, const char *kind, bool (*read)(const Reading *, const Section *))
{
    for (size_t k = 0; k < r->sections; k++)
        if (strcmp(r->section[k].kind, kind) == 0 && !read(r, &r->section[k]))
            return false;
    return !r->error->failed;
}

bool registration_read(Registration *out, const char *path, Arena *a, Error *e)
{
    size_t size;
    *out = (Registration){ .path = arena_text(a, path) };
    Reading *r = arena_zalloc(a, sizeof *r);
    char *text = r && out->path ? file_text(path, LIMIT_SETTINGS, &size, a, e) : NULL;
    if (!text || !digest_file(path, &out->digest, e))
        return false;
    if (strlen(text) != size)
        return error_set(e, "%s:1: the file has a zero byte, expected text", path);
    r->out = out, r->rest = text, r->arena = a, r->error = e;
    const int line = ini_parse_stream(line_next, r, on_value, r);
    if (e->failed)
        return false;
    if (line != 0)
        return error_set(e, "%s:%d: not understood, expected [section], key = value or a comment", path, line);
    return all_there(r) && each(r, "registration", head_read) && each(r, "arm", arm_read) && each(r, "finding", finding_read)
        && each(r, "registration", order_read);
}

bool registration_seed(const Registration *r, int64_t base, char hex[17], Error *e)
{
    Arena a = arena_make(e);
    size_t size;
    const char *bytes = file_read(r->path, LIMIT_SETTINGS, &size, &a, e), *word = arena_format(&a, "base %lld", (long long)base);
    if (bytes && word && strcmp(digest_bytes(bytes, size).hex, r->digest.hex) != 0)
        error_set(e, "%s: the file has changed while it was read", r->path);
    if (!e->failed) {
        Hash h = hash_begin();
        hash_bytes(&h, bytes, size);
        hash_bytes(&h, word, strlen(word));
        snprintf(hex, 17, "%.16s", hash_end(&h).hex);
    }
    arena_free(&a);
    return !e->failed;
}
