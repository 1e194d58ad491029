/* SPDX-License-Identifier: MIT */
/* Writes one case of the suite. */
#include <string.h>
#include "ref/vectors/suite.h"
#include "tensor/base/file.h"
#include "tensor/op.h"

static const SuiteKind kinds[] = {
    { "op", "out.safetensors", JUDGE_BOUND, false },
    { "loss", "out.safetensors", JUDGE_BOUND, false },
    { "weights", "out.safetensors", JUDGE_EXACT, false },
    { "block", "out.safetensors", JUDGE_BOUND, false },
    { "prep", "out.safetensors", JUDGE_EXACT, false },
    { "tok", "out.safetensors", JUDGE_EXACT, false },
    { "mask", "out.safetensors", JUDGE_EXACT, false },
    { "step", "trace.safetensors", JUDGE_END_TO_END, true },
    { "seq", "out.safetensors", JUDGE_END_TO_END, true },
    { "reject", "out.safetensors", JUDGE_EXACT, true },
};

const SuiteKind *suite_kind(const char *path)
{
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        size_t n = strlen(kinds[k].name);
        if (strncmp(path, kinds[k].name, n) == 0 && (path[n] == '/' || path[n] == 0))
            return &kinds[k];
    }
    return NULL;
}

const char *judge_name(Judge j)
{
    static const char *const names[] = { "bound", "exact", "end_to_end" };
    return names[j];
}

json_t *word_list(const char *words)
{
    json_t *list = json_array();
    for (; *words; words += strspn(words, " ")) {
        size_t n = strcspn(words, " ");
        json_add(list, json_stringn(words, n));
        words += n;
    }
    return list;
}

bool suite_file(Suite *s, const char *path)
{
    Digest d;
    char *whole = arena_format(s->arena, "%s/%s", s->folder, path);
    return whole && path && digest_file(whole, &d, s->error)
        && json_add(s->files, json_pack("{s:s, s:s}", "path", path, "sha256", d.hex));
}

bool suite_bytes(Suite *s, const char *path, const void *bytes, size_t n)
{
    char *folder = arena_format(s->arena, "%s/%s", s->folder, path),
        *whole = arena_format(s->arena, "%s/%s", s->folder, path);
    if (!folder || !whole)
        return false;
    *strrchr(folder, '/') = 0;
    return file_make_folder(folder, s->error) && file_write(whole, bytes, n, s->error) && suite_file(s, path);
}

static void describe(json_t *all, const Entry *list, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        const Tensor *t = &list[k].tensor;
        json_t *shape = json_array();
        for (int d = 0; d < t->shape.rank; d++)
            json_add(shape, json_integer((json_int_t)t->shape.dim[d]));
        json_put(all, list[k].name, json_pack("{s:s, s:o, s:s}", "dtype", dtype_name(t->dtype), "shape", shape,
                                                         "content_sha256", digest_tensor(list[k].name, *t).hex));
    }
}

static bool write_tensors(Suite *s, const char *id, const char *name, const Entry *list, size_t n, json_t *files)
{
    char *path = arena_format(s->arena, "%s/%s", id, name);
    if (n == 0)
        return true;
    return path && store_write(arena_format(s->arena, "%s/%s", s->folder, path), list, n, s->error)
        && suite_file(s, path)
        && json_add(files, json_incref(json_array_get(s->files, json_array_size(s->files) - 1)));
}

/* Appends to `files` the manifest's entries for those files of the case that `names` lists. */
static void add_files(const Suite *s, const char *id, json_t *names, json_t *files)
{
    size_t n = strlen(id);
    for (size_t k = 0; k < json_array_size(names); k++)
        for (size_t i = 0; i < json_array_size(s->files); i++) {
            json_t *file = json_array_get(s->files, i);
            const char *path = json_string_value(json_object_get(file, "path"));
            if (strncmp(path, id, n) == 0 && path[n] == '/'
                && strcmp(path + n + 1, json_string_value(json_array_get(names, k))) == 0)
                json_add(files, json_incref(file));
        }
}

/* The answers that implementations with a known mistake give in this case, from wrong.safetensors: an object for each
 * mistake, with its name ("flag"), a description of each of its tensors, and the value of the loss, if that is one of
 * them. NULL: the file has no answers for this case. */
static json_t *known_mistakes(const char *folder, const char *id, Arena *a, Error *e)
{
    Store s;
    char *path = arena_format(a, "%s/wrong.safetensors", folder), *start = arena_format(a, "%s@", id);
    json_t *all = json_array(), *mistake = NULL;
    if (!path || !start || !file_exists(path) || !store_open(&s, path, a, e))
        return json_decref(all), NULL;
    // the entries are sorted by name, so the answers of one mistake follow one another
    for (size_t k = 0; k < s.count; k++) {
        const Entry *w = &s.entries[k];
        const char *slash = strrchr(w->name, '/');
        char hex[32];
        if (strncmp(w->name, start, strlen(start)) != 0 || !slash)
            continue;
        char *flag = arena_format(a, "%.*s", (int)(slash - w->name - (ptrdiff_t)strlen(start)),
                                  w->name + strlen(start));
        if (!mistake || strcmp(json_string_value(json_object_get(mistake, "flag")), flag) != 0)
            json_add(all, mistake = json_pack("{s:s, s:{}}", "flag", flag, "tensors"));
        describe(json_object_get(mistake, "tensors"), &(Entry){ slash + 1, w->tensor }, 1);
        if (strcmp(slash + 1, "loss") == 0) {
            json_put(mistake, "loss", json_decimal(w->tensor.f32[0]));
            json_put(mistake, "loss.hex", json_string(hex_double((double)w->tensor.f32[0], hex)));
        }
    }
    store_close(&s);
    return mistake ? all : (json_decref(all), NULL);
}

bool suite_case(Suite *s, SuiteCase c)
{
    char *folder = arena_format(s->arena, "%s/%s", s->folder, c.id),
        *path = arena_format(s->arena, "%s/case.json", c.id);
    const SuiteKind *kind = suite_kind(c.id);
    json_t *files = json_array(), *tensors = json_object(), *wrong, *names = word_list(c.files ? c.files : "");
    bool good = folder && path && kind && file_make_folder(folder, s->error)
             && write_tensors(s, c.id, "in.safetensors", c.in, c.in_count, files)
             && write_tensors(s, c.id, "out.safetensors", c.out, c.out_count, files);
    add_files(s, c.id, names, files);
    describe(tensors, c.in, c.in_count);
    describe(tensors, c.out, c.out_count);
    const char *dtype = c.out_count ? dtype_name(c.out[0].tensor.dtype) : "F32";
    json_t *json = !good ? NULL : json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s}", "id", c.id, "kind", kind->name, "spec", PULSE_SPEC,
                                            "spec_section", c.section, "definition", c.definition,
                                            "flags", word_list(c.mistakes), "dtype", dtype);
    good = json && json_join(json, json_incref(c.more)) && json_put(json, "files", json_incref(files))
        && json_put(json, "tensors", json_incref(tensors))
        && (!(wrong = known_mistakes(s->folder, c.id, s->arena, s->error)) || json_put(json, "wrong", wrong))
        && json_put(json, "verdict", json_pack("{s:s}", "mode", judge_name(kind->judge)))
        && json_save(arena_format(s->arena, "%s/%s", s->folder, path), json, s->error) && suite_file(s, path)
        && json_add(s->cases, json_pack("{s:s, s:s, s:O}", "id", c.id, "kind", kind->name, "flags", json_object_get(json, "flags")));
    json_decref(json);
    json_decref(files);
    json_decref(tensors);
    json_decref(names);
    json_decref(c.more);
    return good;
}
