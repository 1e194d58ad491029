/* SPDX-License-Identifier: MIT */
#include "ref/cli/output.h"

#include <string.h>
#include "tensor/base/file.h"

/* Whether a temporary file can be made beside this name. It is removed at once. */
static bool can_begin(const char *path, Error *e)
{
    FileWriter w;
    if (!file_begin(&w, path, e))
        return false;
    file_drop(&w);
    return true;
}

bool output_file(const char *path, Error *e)
{
    Arena names = arena_make(e);
    const char *slash = strrchr(path, '/');
    char *folder = slash > path ? arena_format(&names, "%.*s", (int)(slash - path), path) : NULL;
    bool good = !e->failed && (!folder || file_make_folder(folder, e)) && can_begin(path, e);
    arena_free(&names);
    return good;
}

bool output_folder(const char *path, Error *e)
{
    Arena names = arena_make(e);
    char *probe = arena_format(&names, "%s/.tried", path);
    bool good = probe && file_make_folder(path, e) && can_begin(probe, e);
    arena_free(&names);
    return good;
}
