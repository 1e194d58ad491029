/* SPDX-License-Identifier: MIT */
#include "ref/compare/sides.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "model/names.h"
#include "tensor/base/file.h"

int natural_order(const char *x, const char *y)
{
    const char *p = x, *q = y;
    while (*p && *q) {
        size_t m = strspn(p, "0123456789"), n = strspn(q, "0123456789");
        if (m && n) {
            for (; m > 1 && *p == '0'; m--)
                p++;
            for (; n > 1 && *q == '0'; n--)
                q++;
            int order = m != n ? (m < n ? -1 : 1) : strncmp(p, q, m);
            if (order)
                return order;
            p += m, q += n;
        } else if (*p != *q) {
            return (unsigned char)*p < (unsigned char)*q ? -1 : 1;
        } else {
            p++, q++;
        }
    }
    return *p ? 1 : *q ? -1 : strcmp(x, y);
}

/* natural_order finds two names equal only where all their bytes are, so every sort, stable or not, gives the same
 * order. */
static int by_name(const void *a, const void *b)
{
    return natural_order(((const Item *)a)->name, ((const Item *)b)->name);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The safetensors files of a folder, in ascending order of their names. NULL: there is none, or the folder cannot be
 * read. */
static const char **folder_files(const char *path, size_t *count, Arena *a, Error *e)
{
    size_t all;
    const char **names = folder_names(path, &all, a, e);
    *count = 0;
    for (size_t k = 0; names && k < all; k++) {
        const char *end = strrchr(names[k], '.');
        if (end && strcmp(end, ".safetensors") == 0)
            names[(*count)++] = names[k];
    }
    if (names)
        qsort(names, *count, sizeof *names, by_text);
    if (*count == 0)
        error_set(e, "%s: no .safetensors file was found in this folder", path);
    return *count ? names : NULL;
}

/* Adds the tensors of a file under their names on the Hub. `prefix` keeps the files of a folder apart ("file/name"); it
 * is empty for the shards of one model. */
static bool items_add(Side *s, const Store *file, const char *prefix, Arena *a)
{
    for (size_t i = 0; i < file->count; i++) {
        const char *name = name_hub(file->entries[i].name, a);
        if (!name || !(s->items[s->count].name = *prefix ? arena_format(a, "%s/%s", prefix, name) : name))
            return false;
        s->items[s->count++].tensor = &file->entries[i].tensor;
    }
    return true;
}

static bool side_items(Side *s, const char *path, const char **names, bool apart, Arena *a, Error *e)
{
    size_t total = 0;
    for (size_t i = 0; i < s->file_count; i++)
        total += s->files[i].count;
    s->items = arena_array(a, total, sizeof *s->items);
    bool good = s->items != NULL;
    for (size_t i = 0; good && i < s->file_count; i++)
        good = items_add(s, &s->files[i], apart ? names[i] : "", a);
    if (!good)
        return error_no_memory(e, "%s: no memory for its names", path);
    qsort(s->items, s->count, sizeof *s->items, by_name);
    for (size_t i = 1; i < s->count; i++)
        if (!strcmp(s->items[i - 1].name, s->items[i].name))
            return error_set(e, "%s: two tensors are called %s", path, s->items[i].name);
    return true;
}

bool side_open(Side *s, const char *path, Arena *a, Error *e)
{
    const char *index = arena_format(a, "%s/model.safetensors.index.json", path);
    const bool folder = is_folder(path);
    *s = (Side){ 0 };
    size_t count = 1;
    const char **names = folder ? folder_files(path, &count, a, e) : &path;
    if (!names || !index || !(s->files = arena_zalloc(a, count * sizeof *s->files)))
        return false;
    for (; s->file_count < count; s->file_count++) {
        const char *file = folder ? arena_format(a, "%s/%s", path, names[s->file_count]) : path;
        if (!file || !store_open(&s->files[s->file_count], file, a, e))
            return false;
    }
    return side_items(s, path, names, count > 1 && !file_exists(index), a, e);
}

void side_close(Side *s)
{
    for (size_t i = 0; i < s->file_count; i++)
        store_close(&s->files[i]);
}
