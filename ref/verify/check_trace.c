/* SPDX-License-Identifier: MIT */
/* Another implementation's answers to a step that `pulse-ref trace` wrote. */
#include "ref/verify/check.h"

#include <string.h>
#include <sys/stat.h>
#include "ref/trace/noise_trace.h"
#include "tensor/base/file.h"
#include "tensor/base/limits.h"
#include "tensor/op.h"

/* The file of GOT: GOT itself or, if it is a folder, its trace.safetensors. */
static const char *file_of(const char *got, Arena *a)
{
    struct stat s;
    return stat(got, &s) == 0 && S_ISDIR(s.st_mode) ? arena_format(a, "%s/trace.safetensors", got) : got;
}

static bool same_spec(const json_t *root, const char *path, Error *e)
{
    const char *spec;
    return json_get_text(root, "spec", &spec, path, e)
        && (strcmp(spec, PULSE_SPEC) == 0 || error_set(e, "%s: traced under spec %s, expected %s, which this program computes", path,
            spec, PULSE_SPEC));
}

static bool is_selected(const VerifyOptions *options, const char *name)
{
    bool yes = options->only->count == 0;
    for (size_t k = 0; k < options->only->count; k++)
        yes |= strncmp(name, options->only->item[k], strlen(options->only->item[k])) == 0;
    return yes;
}

/* Keeps only the selected answers of GOT, and reports each --only that finds none. */
static bool choose(Findings *f, Store *got, const VerifyOptions *options, Arena *a, Error *e)
{
    Entry *kept = arena_array(a, got->count + 1, sizeof *kept);
    size_t count = 0;
    for (size_t i = 0; i < options->only->count; i++) {
        size_t found = 0;
        for (size_t k = 0; k < got->count; k++)
            found += strncmp(got->entries[k].name, options->only->item[i], strlen(options->only->item[i])) == 0;
        if (!found)
            finding(f, options->only->item[i], "EMPTY", "--only finds no answer in %s, expected the beginning of a tensor's name",
                    got->path);
    }
    for (size_t k = 0; kept && k < got->count; k++)
        if (is_selected(options, got->entries[k].name))
            kept[count++] = got->entries[k];
    got->entries = kept;
    got->count = count;
    return kept && (count || json_array_size(f->lines)
                    || error_set(e, "%s: holds no answer: nothing to judge", got->path));
}

/* Makes the noise of the trace only for the precision at which answers are judged, because on large models each
 * precision takes time. So an answer outside at fp32 gets no hint at which lower precision it would be within. */
static bool make_noise(Check *c, const TracedStep *s, const char *path, Error *e)
{
    bool wanted[PRECISIONS] = { false };
    wanted[c->context.mistakes.precision] = true;
    return noise_of_trace(s->root, s->values, path, wanted, &c->noise.entries, &c->noise.count, c->arena, e);
}

bool verify_trace(Findings *f, const char *folder, const char *got, const VerifyOptions *options, Arena *a, Error *e)
{
    Store values = { .count = 0 }, bounds = { .count = 0 }, own = { .count = 0 };
    Check *c = arena_zalloc(a, sizeof *c);
    const char *path = arena_format(a, "%s/trace.json", folder), *from = file_of(got, a);
    if (!c || !path || !from)
        return false;
    *c = (Check){ .folder = folder, .options = options, .arena = a,
                  .context = { .f = f, .mistakes = { .arena = a, .keeps = true }, .arena = a } };
    f->partial = options->partial;
    json_t *root = json_file(path, LIMIT_TRACE, e);
    TracedStep s = { .id = "", .root = root, .values = &values, .bounds = &bounds, .own = &own };
    bool good = root && same_spec(root, path, e) && store_open(&own, from, a, e) && choose(f, &own, options, a, e)
        && store_open(&values, arena_format(a, "%s/trace.safetensors", folder), a, e)
            && store_open(&bounds, arena_format(a, "%s/bound.safetensors", folder), a, e);
    if (good) {
        c->context.mistakes.precision = check_precision(options, &own);
        good = make_noise(c, &s, path, e) && check_step(c, &s, e);
    }
    Store *const stores[] = { &values, &bounds, &own };
    for (size_t k = 0; k < 3; k++)
        if (stores[k]->mapping)
            store_close(stores[k]);
    json_decref(root);
    return good && !e->failed;
}
