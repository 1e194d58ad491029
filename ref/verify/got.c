/* SPDX-License-Identifier: MIT */
#include "ref/verify/got.h"

#include <string.h>
#include <sys/stat.h>
#include "ref/verify/manifest.h"
#include "tensor/base/file.h"
#include "tensor/base/limits.h"
#include "tensor/op.h"

/* Whether the manifest of the folder names our spec; true if the folder has no manifest. */
static bool same_spec(const Got *g, Error *e)
{
    const char *path = arena_format(g->arena, "%s/manifest.json", g->path), *spec;
    json_t *m = path && file_exists(path) ? json_file(path, LIMIT_SUITE, e) : NULL;
    bool same = !e->failed && (!m || (json_get_text(m, "spec", &spec, path, e)
                && (strcmp(spec, PULSE_SPEC) == 0 || error_set(e, "%s: recorded under spec %s, expected %s, which this program computes",
                    path, spec, PULSE_SPEC))));
    json_decref(m);
    return same;
}

bool got_open(Got *g, const char *path, Arena *a, Error *e)
{
    struct stat s;
    *g = (Got){ .path = path, .arena = a };
    if (stat(path, &s) != 0)
        return error_set(e, "%s: is not there, expected a safetensors file or a folder of them", path);
    g->one_file = !S_ISDIR(s.st_mode);
    if (!g->one_file && !same_spec(g, e))
        return false;
    return !g->one_file || store_open(&g->file, path, a, e);
}

void got_close(Got *g)
{
    if (g->one_file && g->file.mapping)
        store_close(&g->file);
}

bool got_has(const Got *g, const char *id, const char *file)
{
    if (!g->one_file)
        return file_exists(file);
    for (size_t k = 0; k < g->file.count; k++)
        if (strncmp(g->file.entries[k].name, id, strlen(id)) == 0 && g->file.entries[k].name[strlen(id)] == '/')
            return true;
    return false;
}

const Tensor *got_find(const Got *g, const Store *own, const char *id, const char *name)
{
    return g->one_file ? store_find(&g->file, arena_format(g->arena, "%s/%s", id, name)) : store_find(own, name);
}
