/* SPDX-License-Identifier: MIT */
#include "ref/config/identity.h"

#include <stdlib.h>
#include <string.h>
#include "model/text/chat_template.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tensor/base/limits.h"

#define INDEX "model.safetensors.index.json"
enum { FILES_MAX = LIMIT_SHARDS + 8 };

static bool hash_file(Hash *h, const char *path, Error *e)
{
    Digest d;
    if (!path || !digest_file(path, &d, e))
        return false;
    hash_text(h, d.hex);
    return true;
}

/* The digest of the named files of a folder, in this order, and then of its chat template, if it has one. */
static bool files_digest(const char *folder, const char *const *name, size_t count, Digest *out, Arena *a, Error *e)
{
    Hash h = hash_begin();
    for (size_t k = 0; k < count; k++)
        if (!hash_file(&h, arena_format(a, "%s/%s", folder, name[k]), e))
            return false;
    const char *path, *chat = chat_template_text(folder, &path, a, e);
    if (chat)
        hash_text(&h, chat);
    *out = hash_end(&h);
    return !e->failed;
}

/* The file that holds the settings of the picture processor; transformers 5 writes no preprocessor_config.json. */
static const char *processor_file(const char *folder, Arena *a)
{
    const char *path = arena_format(a, "%s/preprocessor_config.json", folder);
    return path && !file_exists(path) ? "processor_config.json" : "preprocessor_config.json";
}

bool reader_digest(const char *folder, Digest *out, Arena *a, Error *e)
{
    return files_digest(folder, (const char *const[]){ "tokenizer.json", processor_file(folder, a) }, 2, out, a, e);
}

static int by_name(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* Adds the shards that the index names, in the order of their names. */
static bool shards_list(const char *folder, const char **name, size_t *count, Arena *a, Error *e)
{
    const char *path = arena_format(a, "%s/%s", folder, INDEX), *key;
    json_t *index = path ? json_file(path, LIMIT_INDEX, e) : NULL, *map = json_object_get(index, "weight_map"), *value;
    const char **all = arena_array(a, json_object_size(map) + 1, sizeof *all);
    size_t n = 0;
    json_object_foreach(map, key, value)
        if (all && json_is_string(value) && !(all[n++] = arena_text(a, json_string_value(value))))
            break;
    json_decref(index);
    if (!index || !all || e->failed)
        return false;
    qsort(all, n, sizeof *all, by_name);
    for (size_t k = 0; k < n; k++)
        if (k == 0 || strcmp(all[k], all[k - 1]) != 0) {
            if (*count == FILES_MAX)
                return error_set(e, "%s: names too many files", path);
            name[(*count)++] = all[k];
        }
    return true;
}

bool model_digest(const char *folder, Digest *out, Arena *a, Error *e)
{
    const char *name[FILES_MAX] = { "config.json", "tokenizer.json", processor_file(folder, a), "model.safetensors" };
    const char *whole = arena_format(a, "%s/model.safetensors", folder),
        *index = arena_format(a, "%s/%s", folder, INDEX);
    size_t count = 3;
    if (!whole || !index)
        return false;
    // the order in which a folder with all weights in one file has been hashed since version 0.1.0
    if (file_exists(whole) || !file_exists(index))
        return files_digest(folder, (const char *const[]){ name[0], name[3], name[1], name[2] }, 4, out, a, e);
    name[count++] = INDEX;
    return shards_list(folder, name, &count, a, e) && files_digest(folder, name, count, out, a, e);
}

/* The path of a picture's file, which is FILE.safetensors for FILE.safetensors#ROW. A relative path starts at the
 * folder of the samples. */
static const char *picture_path(const Dataset *s, const char *image, Arena *a)
{
    const char *slash = strrchr(s->path, '/');
    int folder = image[0] != '/' && slash ? (int)(slash + 1 - s->path) : 0;
    return arena_format(a, "%.*s%.*s", folder, s->path, (int)strcspn(image, "#"), image);
}

bool samples_digest(const Dataset *s, Digest *out, Arena *a, Error *e)
{
    Hash h = hash_begin();
    size_t n = 0;
    const char **path = arena_array(a, s->count, sizeof *path);
    if (!path || !hash_file(&h, s->path, e))
        return false;
    for (size_t k = 0; k < s->count; k++)
        if (s->sample[k].image && !(path[n++] = picture_path(s, s->sample[k].image, a)))
            return false;
    qsort(path, n, sizeof *path, by_name);           // equal names are one file, so their order does not matter
    for (size_t k = 0; k < n; k++)
        if ((k == 0 || strcmp(path[k], path[k - 1]) != 0) && !hash_file(&h, path[k], e))
            return false;
    *out = hash_end(&h);
    return true;
}
