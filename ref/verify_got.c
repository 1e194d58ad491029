/* SPDX-License-Identifier: MIT */
/* Another implementation's answers against the recorded ones. */
#include "ref/verify.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "ref/suite.h"
#include "tensor/file.h"

typedef struct {
    Findings *f;
    const char *folder, *got;
    bool one_file;
    Store file, wrong;               // the one file; the known mistakes (count 0: none)
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

/* Whether the tensor has the mistake's value, within the bound of the right value (the mistake's own error is alike); without one, to the bit. */
static bool has_value(const Tensor *got, const Tensor *wrong, const float *bound)
{
    size_t n = shape_size(got->shape), i = 0;
    if (wrong->dtype != got->dtype || !shape_equal(wrong->shape, got->shape))
        return false;
    if (!bound)
        return memcmp(got->data, wrong->data, tensor_bytes(*got)) == 0;
    while (i < n && magnitude((double)got->f32[i] - (double)wrong->f32[i]) <= 4 * (double)bound[i] + 0x1p-20 * magnitude((double)wrong->f32[i]))
        i++;
    return i == n;
}

/* The known mistake whose value the tensor has. */
static const char *mistake(const Check *c, const char *id, const char *name, const Tensor *got, const float *bound)
{
    size_t id_length = strlen(id);
    for (size_t k = 0; k < c->wrong.count; k++) {
        const Entry *w = &c->wrong.entries[k];
        const char *flag = w->name + id_length + 1, *slash = strrchr(w->name, '/');
        if (strncmp(w->name, id, id_length) == 0 && w->name[id_length] == '@' && slash && strcmp(slash + 1, name) == 0 && has_value(got, &w->tensor, bound))
            return arena_format(c->arena, "%.*s", (int)(slash - flag), flag);
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
    const char *known = mistake(c, id, name, got, NULL);
    finding(c->f, where, "OUTSIDE", "%zu of %zu differ, first %zu%s%s", differ, n, first, known ? ", the value of the known mistake " : "", known ? known : "");
}

static void judge(Check *c, const char *id, const char *name, const Tensor *want, const Tensor *got, const Tensor *bound, Judge how)
{
    char *where = arena_format(c->arena, "%s/%s", id, name), have[64], expected[64];
    size_t n = shape_size(want->shape);
    if (got->dtype != want->dtype || !shape_equal(got->shape, want->shape)) {
        finding(c->f, where, "MIS-SHAPED", "%s %s, expected %s %s", dtype_name(got->dtype), shape_text(got->shape, have), dtype_name(want->dtype),
                shape_text(want->shape, expected));
        return;
    }
    if (memcmp(want->data, got->data, tensor_bytes(*want)) == 0) {
        finding(c->f, where, "BITEXACT", "%s", "");
        return;
    }
    if (how == JUDGE_EXACT || want->dtype != F32) {
        judge_exact(c, id, name, where, want, got);
        return;
    }
    Distance d = measure(want->f32, got->f32, bound ? bound->f32 : NULL, n, c->arena);
    if (!bound) {
        finding(c->f, where, "END-TO-END", "scaled error %.2g, median ratio %.6g", d.scaled, d.ratio);
    } else if (d.over == 0) {
        finding(c->f, where, "WITHIN", "scaled error %.2g, %.2g of the bound", d.scaled, d.used);
    } else {
        const char *known = mistake(c, id, name, got, bound->f32);
        finding(c->f, where, "OUTSIDE", "scaled error %.2g, %zu of %zu over the bound, first %zu, median ratio %.6g%s%s", d.scaled, d.over, n, d.first, d.ratio,
                known ? ", the value of the known mistake " : "", known ? known : "");
    }
}

/* Answers of the case that it does not have, from the case's own file or from the one file. */
static void check_extra(Check *c, const char *id, const Store *want, const Store *own)
{
    const Store *all = own ? own : &c->file;
    size_t skip = own ? 0 : strlen(id) + 1;
    for (size_t k = 0; k < all->count; k++) {
        const char *name = all->entries[k].name;
        if (skip && (strncmp(name, id, skip - 1) != 0 || name[skip - 1] != '/'))
            continue;
        if (!store_find(want, name + skip) || strncmp(name + skip, "bound.", 6) == 0)
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

static bool whole(const Check *c, const char *path, const char *sha, Error *e)
{
    Digest d;
    if (!digest_file(arena_format(c->arena, "%s/%s", c->folder, path), &d, e))
        return false;
    return strcmp(d.hex, sha) == 0 || error_set(e, "%s/%s: SHA-256 is not the manifest's, expected whole reference answers", c->folder, path);
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
        if (kind->judge == JUDGE_END_TO_END)
            check_present(c, id, &want, from);
        else
            check_all(c, id, &want, from, kind->judge);
        check_extra(c, id, &want, from);
    }
    if (own.mapping)
        store_close(&own);
    store_close(&want);
    return !e->failed;
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
        if (!known)
            finding(c->f, name, "EXTRA", "no case has this name");
    }
}

bool verify_got(Findings *f, const char *folder, const char *got, json_t *manifest, Arena *a, Error *e)
{
    struct stat s;
    json_t *files = json_object_get(manifest, "files");
    Check c = { .f = f, .folder = folder, .got = got, .arena = a };
    const char *wrong = arena_format(a, "%s/wrong.safetensors", folder);
    if (stat(got, &s) != 0)
        return error_set(e, "%s: not there, expected a safetensors file or a folder of them", got);
    c.one_file = !S_ISDIR(s.st_mode);
    if ((c.one_file && !store_open(&c.file, got, a, e)) || !wrong || (file_exists(wrong) && !store_open(&c.wrong, wrong, a, e)))
        return false;
    bool good = true;
    for (size_t k = 0; good && k < json_array_size(files); k++) {
        const char *path, *sha;
        if (!json_get_text(json_array_get(files, k), "path", &path, "manifest.json", e) || !json_get_text(json_array_get(files, k), "sha256", &sha, "manifest.json", e))
            return false;
        const SuiteKind *kind = suite_kind(path);
        const char *slash = strrchr(path, '/');
        if (kind && slash && strcmp(slash + 1, kind->answers) == 0)
            good = check_case(&c, kind, path, sha, e);
    }
    if (c.one_file) {
        find_extra(&c, files);
        store_close(&c.file);
    }
    if (c.wrong.count)
        store_close(&c.wrong);
    return good && !e->failed;
}
