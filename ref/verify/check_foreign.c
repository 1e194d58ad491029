/* SPDX-License-Identifier: MIT */
/* Another implementation's answers, case by case, against the reference answers. */
#include "ref/verify/verify.h"

#include <string.h>
#include "ref/vectors/suite.h"
#include "ref/verify/check.h"
#include "ref/verify/formula.h"
#include "tensor/base/file.h"
#include "tensor/base/limits.h"

Precision check_precision(const VerifyOptions *options, const Store *file)
{
    bool half = false;
    for (size_t k = 0; k < file->count; k++)
        half |= file->entries[k].tensor.dtype == BF16 || file->entries[k].tensor.dtype == F16;
    return options->precision_given ? options->precision : half ? PRECISION_BF16_MIXED : PRECISION_FP32;
}

const Tensor *check_noise(const Check *c, const char *id, const char *name)
{
    return store_find(&c->noise, *id ? arena_format(c->arena, "%s/%s", id, name) : name);
}

const char *check_settle(Check *c, size_t *lines)
{
    const char *named = mistakes_settle(&c->context.mistakes, lines);
    mistakes_begin(&c->context.mistakes);
    return named;
}

/* Judges the answers of a case that is not a step. All of them are expected. */
static void check_answers(Check *c, const char *id, const Store *want, const Store *own, const SuiteKind *kind)
{
    size_t lines, begin = json_array_size(c->context.f->lines), outside = c->context.f->outside;
    for (size_t k = 0; k < want->count; k++) {
        const char *name = want->entries[k].name;
        const Tensor *got = strncmp(name, "bound.", 6) == 0 ? NULL : got_find(&c->got, own, id, name);
        if (got)
            judge(&c->context, id, name, (Answer){
                .right = &want->entries[k].tensor, .got = got,
                .bound = store_find(want, arena_format(c->arena, "bound.%s", name)), .noise = check_noise(c, id, name),
                .way = kind->judge == JUDGE_EXACT ? "exact" : kind->judge == JUDGE_BOUND ? "fed" : "ends",
                .exact = kind->judge == JUDGE_EXACT,
            });
        else if (strncmp(name, "bound.", 6) != 0)
            finding(c->context.f, arena_format(c->arena, "%s/%s", id, name), "MISSING",
                    "expected this answer in the case");
    }
    check_settle(c, &lines);
    // the first answer outside gets the formula of the case
    for (size_t k = begin; c->context.f->outside > outside && k < json_array_size(c->context.f->lines); k++) {
        json_t *line = json_array_get(c->context.f->lines, k);
        const char *verdict = json_string_value(json_object_get(line, "verdict"));
        if (strcmp(verdict, "OUTSIDE") != 0 && strcmp(verdict, "MIS-SHAPED") != 0)
            continue;
        json_put(line, "formula", formula_of_case(c->folder, id, c->arena));
        break;
    }
}

/* Reports the tensors in GOT that are no answers of the case: unknown names, and bounds. */
static void find_unknown(Check *c, const char *id, const Store *want, const Store *own)
{
    const Store *all = own ? own : &c->got.file;
    size_t skip = own ? 0 : strlen(id) + 1;
    for (size_t k = 0; k < all->count; k++) {
        const char *name = all->entries[k].name;
        if (skip && (strncmp(name, id, skip - 1) != 0 || name[skip - 1] != '/'))
            continue;
        if (!store_find(want, name + skip) || strncmp(name + skip, "bound.", 6) == 0)
            finding(c->context.f, arena_format(c->arena, "%s/%s", id, name + skip), "EXTRA",
                    "the case has no such answer");
    }
}

/* Judges a step of the suite. Its two other files hold the bounds and the list of its modules. */
static bool check_recorded_step(Check *c, const char *id, const Store *want, const Store *own, Error *e)
{
    Store bounds;
    char *json = arena_format(c->arena, "%s/trace.json", id),
        *numbers = arena_format(c->arena, "%s/bound.safetensors", id);
    if (!json || !numbers || !manifest_holds(c->folder, json, manifest_sha(c->manifest, json), c->arena, e)
        || !manifest_holds(c->folder, numbers, manifest_sha(c->manifest, numbers), c->arena, e)
        || !store_open(&bounds, arena_format(c->arena, "%s/%s", c->folder, numbers), c->arena, e))
        return false;
    json_t *root = json_file(arena_format(c->arena, "%s/%s", c->folder, json), LIMIT_SUITE, e);
    bool good = root && check_step(c, &(TracedStep){ .id = id, .root = root, .values = want, .bounds = &bounds, .own = own }, e);
    json_decref(root);
    store_close(&bounds);
    return good;
}

/* A case of an optional kind (SuiteKind) is judged only if GOT has it. A case of any other kind must be there. */
static bool check_case(Check *c, const SuiteKind *kind, const char *path, const char *sha, Error *e)
{
    Store want, own = { .count = 0 };
    Error damage = { .failed = false };
    const char *id = arena_format(c->arena, "%.*s", (int)(strrchr(path, '/') - path), path);
    const char *file = arena_format(c->arena, "%s/%s/%s", c->got.path, id, kind->answers);
    if (!id || !file || (kind->optional && !got_has(&c->got, id, file)))
        return id && file;
    if (!manifest_holds(c->folder, path, sha, c->arena, e)
        || !store_open(&want, arena_format(c->arena, "%s/%s", c->folder, path), c->arena, e))
        return false;
    const Store *from = c->got.one_file ? NULL : &own;
    if (!c->got.one_file && !file_exists(file))
        finding(c->context.f, arena_format(c->arena, "%s/%s", id, kind->answers), "MISSING", "expected in %s",
                c->got.path);
    else if (!c->got.one_file && !store_open(&own, file, c->arena, &damage))
        finding(c->context.f, file, "DAMAGED", "%s", damage.text);
    else {
        c->context.mistakes.precision = check_precision(c->options, from ? from : &c->got.file);
        if (strcmp(kind->name, "step") == 0)
            check_recorded_step(c, id, &want, from, e);
        else {
            check_answers(c, id, &want, from, kind);
            find_unknown(c, id, &want, from);
        }
    }
    if (own.mapping)
        store_close(&own);
    store_close(&want);
    return !e->failed;
}

/* The index of the first --only that the path begins with; the number of --only options if there is none. */
static size_t selecting_prefix(const Check *c, const char *path)
{
    size_t k = 0;
    while (k < c->options->only->count && strncmp(path, c->options->only->item[k], strlen(c->options->only->item[k])) != 0)
        k++;
    return k;
}

static bool is_selected(const Check *c, const char *path)
{
    return c->options->only->count == 0 || selecting_prefix(c, path) < c->options->only->count;
}

/* For a GOT that is one file: reports the tensors whose names belong to no case. */
static void find_extra(Check *c, const json_t *files)
{
    for (size_t k = 0; k < c->got.file.count; k++) {
        const char *name = c->got.file.entries[k].name, *slash = strrchr(name, '/');
        bool known = false;
        for (size_t i = 0; slash && i < json_array_size(files) && !known; i++) {
            const char *path = json_string_value(json_object_get(json_array_get(files, i), "path"));
            known = strncmp(path, name, (size_t)(slash - name) + 1) == 0;
        }
        if (!known && (is_selected(c, name) || !slash))
            finding(c->context.f, name, "EXTRA", "no case has this name, expected <case>/<answer>, for instance step/npo.adamw.b/loss");
    }
}

/* Judges the selected cases, one after another. For each --only, `cases` counts its cases, and
 * `found` their findings. */
static bool check_cases(Check *c, const json_t *files, size_t cases[OPTION_REPEATS], size_t found[OPTION_REPEATS],
                        Error *e)
{
    for (size_t k = 0; k < json_array_size(files); k++) {
        const char *path, *sha;
        if (!json_get_text(json_array_get(files, k), "path", &path, "manifest.json", e)
            || !json_get_text(json_array_get(files, k), "sha256", &sha, "manifest.json", e))
            return false;
        const SuiteKind *kind = suite_kind(path);
        const char *slash = strrchr(path, '/');
        if (!kind || !slash || strcmp(slash + 1, kind->answers) != 0 || !is_selected(c, path))
            continue;
        size_t before = json_array_size(c->context.f->lines);
        if (!check_case(c, kind, path, sha, e))
            return false;
        for (size_t i = 0; i < c->options->only->count; i++)
            if (strncmp(path, c->options->only->item[i], strlen(c->options->only->item[i])) == 0) {
                cases[i]++;
                found[i] += json_array_size(c->context.f->lines) - before;
            }
    }
    return true;
}

/* Reports each --only that selects no case, or no answer. The cases of the other --only options are still judged. */
static void find_empty(Check *c, const size_t cases[OPTION_REPEATS], const size_t found[OPTION_REPEATS],
                       const char *got)
{
    for (size_t k = 0; k < c->options->only->count; k++) {
        const char *only = c->options->only->item[k];
        if (cases[k] == 0)
            finding(c->context.f, only, "EMPTY", "no case begins with %s, expected the beginning of a path in %s/manifest.json", only,
                    c->folder);
        else if (found[k] == 0)
            finding(c->context.f, only, "EMPTY", "%s holds no answer of the selected cases", got);
    }
}

static bool open_if_there(Check *c, const char *name, Store *out, Error *e)
{
    const char *path = arena_format(c->arena, "%s/%s", c->folder, name);
    return path && (!file_exists(path) || store_open(out, path, c->arena, e));
}

bool verify_got(Findings *f, const char *folder, const char *got, const VerifyOptions *options, json_t *manifest,
                Arena *a, Error *e)
{
    json_t *files = json_object_get(manifest, "files");
    size_t cases[OPTION_REPEATS] = { 0 }, found[OPTION_REPEATS] = { 0 };
    Check *c = arena_zalloc(a, sizeof *c);
    if (!c)
        return false;
    *c = (Check){ .folder = folder, .manifest = manifest, .options = options, .arena = a,
                  .context = { .f = f, .mistakes = { .arena = a }, .arena = a } };
    f->partial = options->partial;
    bool good = got_open(&c->got, got, a, e) && open_if_there(c, "wrong.safetensors", &c->context.mistakes.wrong, e)
        && open_if_there(c, "noise.safetensors", &c->noise, e) && check_cases(c, files, cases, found, e);
    if (good && c->got.one_file)
        find_extra(c, files);
    if (good)
        find_empty(c, cases, found, got);
    if (good && json_array_size(f->lines) == 0)        // optional answers may be left out, but not all of them
        good = error_set(e, "%s: the file holds no answer of the selected cases, so there is nothing to judge", got);
    if (c->noise.mapping)
        store_close(&c->noise);
    if (c->context.mistakes.wrong.mapping)
        store_close(&c->context.mistakes.wrong);
    got_close(&c->got);
    return good && !e->failed;
}
