/* SPDX-License-Identifier: MIT */
/* Another implementation's answers, case by case, against the reference answers. */
#include "ref/verify/verify.h"

#include <string.h>
#include "ref/verify/check.h"
#include "tensor/base/file.h"

static void check_all(Check *c, const char *id, const Store *want, const Store *own, Judge how)
{
    for (size_t k = 0; k < want->count; k++) {
        const char *name = want->entries[k].name;
        if (strncmp(name, "bound.", 6) == 0)
            continue;
        const Tensor *got = got_find(&c->got, own, id, name), *bound = store_find(want, arena_format(c->arena, "bound.%s", name));
        if (got)
            judge(&c->context, id, name, &want->entries[k].tensor, got, bound, how);
        else
            finding(c->context.f, arena_format(c->arena, "%s/%s", id, name), "MISSING", "expected among the answers of the case");
    }
}

/* Answers of an optional kind (SuiteKind) are judged only where they are present in GOT; those of the others must be there. */
static bool check_case(Check *c, const SuiteKind *kind, const char *path, const char *sha, Error *e)
{
    Store want, own = { .count = 0 };
    Error mine = { .failed = false };
    const char *id = arena_format(c->arena, "%.*s", (int)(strrchr(path, '/') - path), path);
    const char *file = arena_format(c->arena, "%s/%s/%s", c->got.path, id, kind->answers);
    if (!id || !file || (kind->optional && !got_has(&c->got, id, file)))
        return id && file;
    if (!manifest_holds(c->folder, path, sha, c->arena, e)
        || !store_open(&want, arena_format(c->arena, "%s/%s", c->folder, path), c->arena, e))
        return false;
    const Store *from = c->got.one_file ? NULL : &own;
    if (!c->got.one_file && !file_exists(file))
        finding(c->context.f, arena_format(c->arena, "%s/%s", id, kind->answers), "MISSING", "expected in %s", c->got.path);
    else if (!c->got.one_file && !store_open(&own, file, c->arena, &mine))
        finding(c->context.f, file, "DAMAGED", "%s", mine.text);
    else {
        if (strcmp(kind->name, "step") == 0)
            check_step(c, id, &want, from, e);
        else {
            if (kind->judge == JUDGE_END_TO_END)
                check_present(c, id, &want, from);
            else
                check_all(c, id, &want, from, kind->judge);
            check_extra(c, id, &want, NULL, from);
        }
    }
    if (own.mapping)
        store_close(&own);
    store_close(&want);
    return !e->failed;
}

/* Whether the case at this path is to be judged. */
static bool asked_for(const Check *c, const char *path)
{
    bool asked = c->only->count == 0;
    for (size_t k = 0; k < c->only->count; k++)
        asked |= strncmp(path, c->only->item[k], strlen(c->only->item[k])) == 0;
    return asked;
}

/* Finds the tensors of the one file whose name belongs to no case. */
static void find_extra(Check *c, const json_t *files)
{
    for (size_t k = 0; k < c->got.file.count; k++) {
        const char *name = c->got.file.entries[k].name, *slash = strrchr(name, '/');
        bool known = false;
        for (size_t i = 0; slash && i < json_array_size(files) && !known; i++) {
            const char *path = json_string_value(json_object_get(json_array_get(files, i), "path"));
            known = strncmp(path, name, (size_t)(slash - name) + 1) == 0;
        }
        if (!known && asked_for(c, name))
            finding(c->context.f, name, "EXTRA", "no case has this name");
    }
}

static bool check_cases(Check *c, const json_t *files, Error *e)
{
    bool good = true, some = false;
    for (size_t k = 0; good && k < json_array_size(files); k++) {
        const char *path, *sha;
        if (!json_get_text(json_array_get(files, k), "path", &path, "manifest.json", e)
            || !json_get_text(json_array_get(files, k), "sha256", &sha, "manifest.json", e))
            return false;
        const SuiteKind *kind = suite_kind(path);
        const char *slash = strrchr(path, '/');
        if (!kind || !slash || strcmp(slash + 1, kind->answers) != 0 || !asked_for(c, path))
            continue;
        some = true;
        good = check_case(c, kind, path, sha, e);
    }
    if (good && !some)
        good = error_set(e, "verify: no case begins with %s, expected the beginning of a path in %s/manifest.json",
                         c->only->count ? c->only->item[0] : "", c->folder);
    return good;
}

bool verify_got(Findings *f, const char *folder, const char *got, const OptionList *only, json_t *manifest, Arena *a, Error *e)
{
    json_t *files = json_object_get(manifest, "files");
    Check c = { .folder = folder, .manifest = manifest, .only = only, .context = { .f = f, .arena = a }, .arena = a };
    const char *wrong = arena_format(a, "%s/wrong.safetensors", folder);
    if (!got_open(&c.got, got, a, e) || !wrong || (file_exists(wrong) && !store_open(&c.context.wrong, wrong, a, e)))
        return got_close(&c.got), false;
    bool good = check_cases(&c, files, e);
    if (c.got.one_file)
        find_extra(&c, files);
    // optional answers may be left out, but not all of them
    if (good && f->exact + f->within + f->outside + f->unbounded + f->undecided == 0)
        good = error_set(e, "%s: holds no answer of the cases that are asked for", got);
    if (c.context.wrong.mapping)
        store_close(&c.context.wrong);
    got_close(&c.got);
    return good && !e->failed;
}
