/* SPDX-License-Identifier: MIT */
/* Another implementation's answers against the recorded ones. */
#include "ref/verify/verify.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "ref/vectors/suite.h"
#include "tensor/base/file.h"

typedef struct {
    Findings *f;
    const char *folder, *got;
    const json_t *manifest;
    const OptionList *only;
    bool one_file;
    Store file, wrong;               // the one file; the known mistakes (count 0: none)
    const char *recognised;          // those that have been named in the case, "A, B"; NULL: none
    size_t named;                    // answers that had one's value
    Arena *arena;
} Check;

static double magnitude(double x) { return x < 0 ? -x : x; }
static int by_size(double x, double y) { return (x > y) - (x < y); }

/* The middle of the ratios got / want where want is not small; 0: too few. Heap sort, so no order of equals matters. */
static double median_ratio(const float *want, const float *got, size_t n, double most, Arena *a)
{
    double *r = arena_array(a, n, sizeof *r);
    size_t count = 0;
    for (size_t i = 0; r && i < n; i++)
        if (magnitude((double)want[i]) > 0.01 * most)
            r[count++] = (double)got[i] / (double)want[i];
    for (size_t k = 1; k < count; k++)                     // insertion: these tensors are small
        for (size_t j = k; j > 0 && by_size(r[j - 1], r[j]) > 0; j--) {
            double swap = r[j];
            r[j] = r[j - 1];
            r[j - 1] = swap;
        }
    return count ? r[count / 2] : 0;
}

typedef struct { double scaled, ratio, used; size_t over, first; } Distance;

/* bound NULL: nothing is over. NaN is over any bound. */
static Distance measure(const float *want, const float *got, const float *bound, size_t n, Arena *a)
{
    Distance d = { .first = n };
    double most = 0, worst = 0;
    for (size_t i = 0; i < n; i++) {
        double off = magnitude((double)got[i] - (double)want[i]);
        most = magnitude((double)want[i]) > most ? magnitude((double)want[i]) : most;
        worst = off > worst || off != off ? off : worst;
        if (bound && bound[i] > 0 && off / (double)bound[i] > d.used)
            d.used = off / (double)bound[i];
        if (bound && !(off <= (double)bound[i])) {
            d.first = d.over++ == 0 ? i : d.first;
        }
    }
    d.scaled = most > 0 ? worst / most : worst;
    d.ratio = n <= 4096 ? median_ratio(want, got, n, most, a) : 0;
    return d;
}

/* End to end there are no bounds: an answer is the mistake's, and outside, when it lies WAY times nearer to it than the right value does. */
enum { WAY = 1024 };

static double farthest(const float *x, const float *y, size_t n)
{
    double far = 0;
    for (size_t i = 0; i < n && far == far; i++) {
        double off = magnitude((double)x[i] - (double)y[i]);
        far = off > far || off != off ? off : far;
    }
    return far;
}

/* Whether the tensor has the mistake's value: within the bound of the right value (the mistake's own error is alike); without one, to the bit,
 * or end to end, where `want` is the right value, near it. */
static bool has_value(const Tensor *got, const Tensor *wrong, const float *bound, const Tensor *want)
{
    size_t n = shape_size(got->shape), i = 0;
    if (wrong->dtype != got->dtype || !shape_equal(wrong->shape, got->shape))
        return false;
    if (want)
        return WAY * farthest(got->f32, wrong->f32, n) <= farthest(want->f32, wrong->f32, n);
    if (!bound)
        return memcmp(got->data, wrong->data, tensor_bytes(*got)) == 0;
    while (i < n && magnitude((double)got->f32[i] - (double)wrong->f32[i]) <= 4 * (double)bound[i] + 0x1p-20 * magnitude((double)wrong->f32[i]))
        i++;
    return i == n;
}

static void recognise(Check *c, const char *flag)
{
    c->named++;
    if (!c->recognised)
        c->recognised = flag;
    else if (!strstr(c->recognised, flag))
        c->recognised = arena_format(c->arena, "%s, %s", c->recognised, flag);
}

/* The known mistake whose value the tensor has. */
static const char *mistake(Check *c, const char *id, const char *name, const Tensor *got, const float *bound, const Tensor *want)
{
    size_t id_length = strlen(id);
    for (size_t k = 0; k < c->wrong.count; k++) {
        const Entry *w = &c->wrong.entries[k];
        const char *flag = w->name + id_length + 1, *slash = strrchr(w->name, '/');
        if (strncmp(w->name, id, id_length) == 0 && w->name[id_length] == '@' && slash && strcmp(slash + 1, name) == 0 && has_value(got, &w->tensor, bound, want)) {
            flag = arena_format(c->arena, "%.*s", (int)(slash - flag), flag);
            recognise(c, flag);
            return flag;
        }
    }
    return NULL;
}

static const Tensor *find_got(Check *c, const Store *own, const char *id, const char *name)
{
    return c->one_file ? store_find(&c->file, arena_format(c->arena, "%s/%s", id, name)) : store_find(own, name);
}

/* What has only one right answer: integers, and floats whose every rounding is defined. */
static void judge_exact(Check *c, const char *id, const char *name, const char *where, const Tensor *want, const Tensor *got)
{
    size_t n = shape_size(want->shape), size = dtype_size(want->dtype), differ = 0, first = 0;
    for (size_t i = n; i-- > 0;)
        if (memcmp(want->u8 + i * size, got->u8 + i * size, size) != 0) {
            first = i;
            differ++;
        }
    const char *known = mistake(c, id, name, got, NULL, NULL);
    finding(c->f, where, "OUTSIDE", "%zu of %zu differ, first %zu%s%s", differ, n, first, known ? ", the value of the known mistake " : "", known ? known : "");
}

/* Whether it is over the bound. */
static bool judge(Check *c, const char *id, const char *name, const Tensor *want, const Tensor *got, const Tensor *bound, Judge how)
{
    char *where = arena_format(c->arena, "%s/%s", id, name), have[64], expected[64];
    size_t n = shape_size(want->shape);
    if (got->dtype != want->dtype || !shape_equal(got->shape, want->shape)) {
        const char *known = mistake(c, id, name, got, NULL, NULL);
        finding(c->f, where, "MIS-SHAPED", "%s %s, expected %s %s%s%s", dtype_name(got->dtype), shape_text(got->shape, have), dtype_name(want->dtype),
                shape_text(want->shape, expected), known ? ", as the known mistake " : "", known ? known : "");
        return true;
    }
    if (memcmp(want->data, got->data, tensor_bytes(*want)) == 0) {
        finding(c->f, where, "BITEXACT", "%s", "");
        return false;
    }
    if (how == JUDGE_EXACT || want->dtype != F32) {
        judge_exact(c, id, name, where, want, got);
        return true;
    }
    Distance d = measure(want->f32, got->f32, bound ? bound->f32 : NULL, n, c->arena);
    if (!bound) {
        const char *known = mistake(c, id, name, got, NULL, want);
        finding(c->f, where, known ? "OUTSIDE" : "END-TO-END", "scaled error %.2g, median ratio %.6g%s%s", d.scaled, d.ratio,
                known ? ", the value of the known mistake " : "", known ? known : "");
    } else if (d.over == 0) {
        finding(c->f, where, "WITHIN", "scaled error %.2g, %.2g of the bound", d.scaled, d.used);
    } else {
        const char *known = mistake(c, id, name, got, bound->f32, NULL);
        finding(c->f, where, "OUTSIDE", "scaled error %.2g, %zu of %zu over the bound, first %zu, median ratio %.6g%s%s", d.scaled, d.over, n, d.first, d.ratio,
                known ? ", the value of the known mistake " : "", known ? known : "");
    }
    return bound && d.over > 0;
}

/* Whether it is "<module>@<answer>" of one of the modules. */
static bool is_answer(const json_t *modules, const char *name)
{
    const char *at = strrchr(name, '@');
    for (size_t k = 0; at && k < json_array_size(modules); k++) {
        const json_t *one = json_array_get(modules, k);
        const char *path = json_string_value(json_object_get(one, "module"));
        if (path && strlen(path) == (size_t)(at - name) && strncmp(path, name, strlen(path)) == 0 && json_object_get(json_object_get(one, "answers"), at + 1))
            return true;
    }
    return false;
}

/* Answers of the case that it does not have, from the case's own file or from the one file. */
static void check_extra(Check *c, const char *id, const Store *want, const json_t *modules, const Store *own)
{
    const Store *all = own ? own : &c->file;
    size_t skip = own ? 0 : strlen(id) + 1;
    for (size_t k = 0; k < all->count; k++) {
        const char *name = all->entries[k].name;
        if (skip && (strncmp(name, id, skip - 1) != 0 || name[skip - 1] != '/'))
            continue;
        if (modules ? !store_find(want, name + skip) && !is_answer(modules, name + skip)
                    : !store_find(want, name + skip) || strncmp(name + skip, "bound.", 6) == 0)
            finding(c->f, arena_format(c->arena, "%s/%s", id, name + skip), "EXTRA", "no such answer in the case");
    }
}

static void check_all(Check *c, const char *id, const Store *want, const Store *own, Judge how)
{
    for (size_t k = 0; k < want->count; k++) {
        const char *name = want->entries[k].name;
        if (strncmp(name, "bound.", 6) == 0)
            continue;
        const Tensor *got = find_got(c, own, id, name), *bound = store_find(want, arena_format(c->arena, "bound.%s", name));
        if (got)
            judge(c, id, name, &want->entries[k].tensor, got, bound, how);
        else
            finding(c->f, arena_format(c->arena, "%s/%s", id, name), "MISSING", "expected among the answers of the case");
    }
}

static void check_present(Check *c, const char *id, const Store *want, const Store *own)
{
    for (size_t k = 0; k < want->count; k++) {
        const Tensor *got = find_got(c, own, id, want->entries[k].name);
        if (got)
            judge(c, id, want->entries[k].name, &want->entries[k].tensor, got, NULL, JUDGE_END_TO_END);
    }
}

/* Each answer of each module against its bound; the first module that is outside, in the order of the step: forward, back, update. */
static bool check_modules(Check *c, const char *id, const json_t *modules, const Store *want, const Store *bounds, const Store *own, Error *e)
{
    const char *first[3] = { NULL }, *name, *in_trace;
    static const char *const phase[] = { "forward", "backward", "update" };
    size_t judged = 0, all = 0, k;
    json_t *module;
    c->recognised = NULL;
    c->named = 0;
    const size_t outside = c->f->outside;
    json_array_foreach((json_t *)(uintptr_t)modules, k, module) {
        const char *path = json_string_value(json_object_get(module, "module"));
        json_t *value;
        json_object_foreach(json_object_get(module, "answers"), name, value) {
            const char *full = arena_format(c->arena, "%s@%s", path, name);
            const Tensor *right = (in_trace = json_string_value(value)) ? store_find(want, in_trace) : NULL, *bound = store_find(bounds, arena_format(c->arena, "bound.%s", full));
            const Tensor *got = find_got(c, own, id, full);
            if (!right || !bound)
                return error_set(e, "%s/%s: %s has no value or no bound, expected whole reference answers", c->folder, id, full);
            all++;
            judged += got != NULL;
            if (!got || !judge(c, id, full, right, got, bound, JUDGE_BOUND))
                continue;
            int p = strcmp(path, "clip") == 0 || strcmp(path, "optimiser") == 0 ? 2 : strcmp(name, "out") != 0;
            if (p == 1 || !first[p])                                   // backward, the last module is the first
                first[p] = full;
        }
    }
    int p = first[0] ? 0 : first[1] ? 1 : 2;
    if (judged)
        finding(c->f, id, "MODULES", "%zu of %zu answers of modules%s%s%s%s%s", judged, all, first[p] ? ", the first module that differs, " : "", first[p] ? phase[p] : "",
                first[p] ? ", is " : "", first[p] ? first[p] : "",
                c->recognised ? arena_format(c->arena, "; %zu of %zu outside have the value of the known mistake %s", c->named, c->f->outside - outside, c->recognised) : "");
    return true;
}

static bool whole(const Check *c, const char *path, const char *sha, Error *e)
{
    Digest d;
    if (!digest_file(arena_format(c->arena, "%s/%s", c->folder, path), &d, e))
        return false;
    return (sha && strcmp(d.hex, sha) == 0) || error_set(e, "%s/%s: SHA-256 is not the manifest's, expected whole reference answers", c->folder, path);
}

/* What there is of a step: modules, each by itself, and the whole, end to end. */
static bool check_step(Check *c, const char *id, const Store *want, const Store *own, Error *e)
{
    Store bounds;
    char *json = arena_format(c->arena, "%s/trace.json", id), *numbers = arena_format(c->arena, "%s/bound.safetensors", id);
    if (json && !manifest_sha(c->manifest, json)) {                    // a suite without modules: end to end alone
        check_present(c, id, want, own);
        check_extra(c, id, want, NULL, own);
        return true;
    }
    if (!json || !numbers || !whole(c, json, manifest_sha(c->manifest, json), e) || !whole(c, numbers, manifest_sha(c->manifest, numbers), e)
        || !store_open(&bounds, arena_format(c->arena, "%s/%s", c->folder, numbers), c->arena, e))
        return false;
    json_t *trace = json_file(arena_format(c->arena, "%s/%s", c->folder, json), VERIFY_MANIFEST_BYTES, e), *modules = json_object_get(trace, "modules");
    bool good = trace && check_modules(c, id, modules, want, &bounds, own, e);
    if (good)
        check_present(c, id, want, own);
    if (good)
        check_extra(c, id, want, modules, own);
    json_decref(trace);
    store_close(&bounds);
    return good;
}

/* Whether there is anything of the case. */
static bool present(const Check *c, const char *id, const char *file)
{
    if (!c->one_file)
        return file_exists(file);
    for (size_t k = 0; k < c->file.count; k++)
        if (strncmp(c->file.entries[k].name, id, strlen(id)) == 0 && c->file.entries[k].name[strlen(id)] == '/')
            return true;
    return false;
}

/* One case: what was recorded, what was got. Of what is judged end to end, an implementation gives what it has. */
static bool check_case(Check *c, const SuiteKind *kind, const char *path, const char *sha, Error *e)
{
    Store want, own = { .count = 0 };
    Error mine = { .failed = false };
    const char *id = arena_format(c->arena, "%.*s", (int)(strrchr(path, '/') - path), path);
    const char *file = arena_format(c->arena, "%s/%s/%s", c->got, id, kind->answers);
    if (!id || !file || (kind->optional && !present(c, id, file)))
        return id && file;
    if (!whole(c, path, sha, e) || !store_open(&want, arena_format(c->arena, "%s/%s", c->folder, path), c->arena, e))
        return false;
    const Store *from = c->one_file ? NULL : &own;
    if (!c->one_file && !file_exists(file))
        finding(c->f, arena_format(c->arena, "%s/%s", id, kind->answers), "MISSING", "expected in %s", c->got);
    else if (!c->one_file && !store_open(&own, file, c->arena, &mine))
        finding(c->f, file, "DAMAGED", "%s", mine.text);
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

/* Names of the one file that no case knows. */
static void find_extra(Check *c, const json_t *files)
{
    for (size_t k = 0; k < c->file.count; k++) {
        const char *name = c->file.entries[k].name, *slash = strrchr(name, '/');
        bool known = false;
        for (size_t i = 0; slash && i < json_array_size(files) && !known; i++) {
            const char *path = json_string_value(json_object_get(json_array_get(files, i), "path"));
            known = strncmp(path, name, (size_t)(slash - name) + 1) == 0;
        }
        if (!known && asked_for(c, name))
            finding(c->f, name, "EXTRA", "no case has this name");
    }
}

bool verify_got(Findings *f, const char *folder, const char *got, const OptionList *only, json_t *manifest, Arena *a, Error *e)
{
    struct stat s;
    json_t *files = json_object_get(manifest, "files");
    Check c = { .f = f, .folder = folder, .got = got, .manifest = manifest, .only = only, .arena = a };
    const char *wrong = arena_format(a, "%s/wrong.safetensors", folder);
    if (stat(got, &s) != 0)
        return error_set(e, "%s: not there, expected a safetensors file or a folder of them", got);
    c.one_file = !S_ISDIR(s.st_mode);
    if ((c.one_file && !store_open(&c.file, got, a, e)) || !wrong || (file_exists(wrong) && !store_open(&c.wrong, wrong, a, e)))
        return false;
    bool good = true, some = false;
    for (size_t k = 0; good && k < json_array_size(files); k++) {
        const char *path, *sha;
        if (!json_get_text(json_array_get(files, k), "path", &path, "manifest.json", e) || !json_get_text(json_array_get(files, k), "sha256", &sha, "manifest.json", e))
            return false;
        const SuiteKind *kind = suite_kind(path);
        const char *slash = strrchr(path, '/');
        if (!kind || !slash || strcmp(slash + 1, kind->answers) != 0 || !asked_for(&c, path))
            continue;
        some = true;
        good = check_case(&c, kind, path, sha, e);
    }
    if (good && !some)
        good = error_set(e, "verify: no case begins with %s, expected the beginning of a path in %s/manifest.json", only->count ? only->item[0] : "", folder);
    if (c.one_file) {
        find_extra(&c, files);
        store_close(&c.file);
    }
    if (good && f->exact + f->within + f->outside + f->unbounded + f->unknown == 0)          // steps and runs may be left out, but not all that is asked for
        good = error_set(e, "%s: holds no answer of the cases that are asked for", got);
    if (c.wrong.count)
        store_close(&c.wrong);
    return good && !e->failed;
}
