/* SPDX-License-Identifier: MIT */
#include "model/training/picture_cache.h"

#include <string.h>
#include "model/image/container.h"
#include "model/image/decode.h"
#include "model/image/orientation.h"
#include "model/training/name_map.h"
#include "tensor/base/file.h"
#include "tensor/store.h"

enum { CACHE_MAX = 1 << 29 };      // once the decoded pictures take so many bytes, no more are kept

struct PictureCache {
    const char *folder;
    NameMap     names;           // of the pictures, parallel to `image` and `bytes`
    Image      *image;           // [capacity]; rgb NULL: not decoded so far
    struct { const void *at; size_t n; } *bytes;     // [capacity]; at NULL: the picture is in a file
    NameMap     files;           // of the safetensors files
    Store      *store;           // [capacity], parallel to `files`
    Arena       cache;           // owns the decoded pictures and the open files
};

PictureCache *picture_cache_make(const char *folder, size_t capacity, Arena *a)
{
    PictureCache *p = arena_zalloc(a, sizeof *p);
    if (!p || !name_map_make(&p->names, capacity, a) || !name_map_make(&p->files, capacity, a))
        return NULL;
    p->folder = folder;
    p->image = arena_array(a, capacity, sizeof *p->image);
    p->bytes = arena_array(a, capacity, sizeof *p->bytes);
    p->store = arena_array(a, capacity, sizeof *p->store);
    p->cache = arena_make(NULL);
    return p->image && p->bytes && p->store ? p : NULL;
}

void picture_cache_close(PictureCache *p)
{
    for (size_t i = 0; p && i < p->files.count; i++)
        store_close(&p->store[i]);
    if (p)
        arena_free(&p->cache);
}

/* The path of a picture; a relative name begins at the folder of the data set. */
static char *picture_path(const PictureCache *p, const char *image, Arena *a)
{
    return *image == '/' ? arena_text(a, image) : arena_format(a, "%s/%s", p->folder, image);
}

/* Splits FILE.safetensors#ROW into *file and *row. False: the name has another form. */
static bool row_split(const char *image, char **file, int64_t *row, Arena *a)
{
    static const char ending[] = ".safetensors";
    const char *hash = strrchr(image, '#');
    size_t n = hash ? (size_t)(hash - image) : 0;
    if (n < sizeof ending || memcmp(hash - sizeof ending + 1, ending, sizeof ending - 1))
        return false;
    *row = 0;
    for (const char *d = hash + 1; *d || d == hash + 1; d++) {
        if (*d < '0' || *d > '9' || *row > INT32_MAX)
            return false;
        *row = 10 * *row + (*d - '0');
    }
    return (*file = arena_format(a, "%.*s", (int)n, image)) != NULL;
}

/* The tensor "images" of an open safetensors file. */
static const Tensor *images_of(const Store *s, Error *e)
{
    const Tensor *t = store_find(s, "images");
    if (t && t->dtype == U8 && t->shape.rank == 4 && t->shape.dim[3] == 3 && shape_size(t->shape))
        return t;
    error_set(e, "%s: has no tensor \"images\" of U8 [N, H, W, 3]", s->path);
    return NULL;
}

static const Tensor *images_open(PictureCache *p, const char *file, Arena *a, Error *e)
{
    int32_t k = name_map_find(&p->files, file);
    if (k >= 0)
        return images_of(&p->store[k], e);
    const char *name = arena_text(a, file), *path = picture_path(p, file, &p->cache);
    Store *s = &p->store[p->files.count];
    if (!name || !path || !store_open(s, path, &p->cache, e)) {
        error_no_memory(e, "%s: no memory to open it", file);
        return NULL;
    }
    name_map_add(&p->files, name);
    return images_of(s, e);
}

static bool row_image(Image *out, const Tensor *t, const char *image, int64_t row, Error *e)
{
    const size_t *d = t->shape.dim;
    if ((uint64_t)row >= d[0])
        return error_set(e, "picture \"%.120s\": that file has rows 0 to %zu", image, d[0] - 1);
    *out = (Image){ .width = d[2], .height = d[1], .rgb = t->u8 + (size_t)row * d[1] * d[2] * 3 };
    return true;
}

bool picture_cache_add(PictureCache *p, const char *image, Arena *a, Error *e)
{
    char *file;
    int64_t row;
    if (name_map_find(&p->names, image) >= 0)
        return true;
    if (p->names.count == p->names.capacity)
        return error_set(e, "picture \"%.120s\": the cache is full with %zu pictures", image, p->names.capacity);
    if (!*image)
        return error_set(e, "picture \"\": expected a path, absolute or relative to the file of samples");
    Image *slot = &p->image[p->names.count];
    *slot = (Image){ 0 };
    p->bytes[p->names.count].at = NULL;
    if (row_split(image, &file, &row, a)) {
        const Tensor *t = images_open(p, file, a, e);
        if (!t || !row_image(slot, t, image, row, e))
            return false;
    } else {
        const char *path = picture_path(p, image, a);
        if (!path)
            return error_no_memory(e, "picture \"%.120s\": no memory for its path", image);
        if (!file_exists(path))
            return error_set(e, "picture \"%.120s\" is not there (%s)", image, path);
    }
    name_map_add(&p->names, image);
    return true;
}

bool picture_cache_put(PictureCache *p, const char *image, const void *bytes, size_t n, Arena *a, Error *e)
{
    const char *name = arena_text(a, image);
    if (!name || p->names.count == p->names.capacity)
        return error_set(e, "picture \"%.120s\": the cache is full with %zu pictures", image, p->names.capacity);
    p->image[p->names.count] = (Image){ 0 };
    p->bytes[p->names.count].at = bytes;
    p->bytes[p->names.count].n = n;
    name_map_add(&p->names, name);
    return true;
}

bool picture_cache_get(PictureCache *p, const char *image, Image *out, Arena *a, Error *e)
{
    int32_t k = name_map_find(&p->names, image);
    if (k < 0)
        return error_set(e, "picture \"%.120s\" is not one of this file of samples", image);
    if (!p->image[k].rgb) {
        bool cached = p->cache.used < CACHE_MAX;
        const char *path = picture_path(p, image, a);
        Arena *to = cached ? &p->cache : a;
        if (!path || !(p->bytes[k].at ? image_decode(out, p->bytes[k].at, p->bytes[k].n, image, to, e) : image_read(out, path, to, e)))
            return error_no_memory(e, "picture \"%.120s\": no memory", image);
        if (!cached)
            return true;
        p->image[k] = *out;
    }
    *out = p->image[k];
    return true;
}

/* The orientation of picture k, from its decoded form if there is one. */
static unsigned tag_of(const PictureCache *p, size_t k, Arena *scratch)
{
    size_t n = p->bytes[k].n;
    if (p->image[k].rgb)
        return p->image[k].orientation;
    const char *path = picture_path(p, p->names.name[k], scratch);
    const void *bytes = p->bytes[k].at ? p->bytes[k].at : path ? file_read(path, CONTAINER_BYTES_MAX, &n, scratch, NULL) : NULL;
    return bytes ? orientation_of(bytes, n) : 1;
}

const char *picture_cache_tagged(const PictureCache *p, unsigned *orientation)
{
    Arena scratch = arena_make(NULL);
    const char *found = NULL;
    for (size_t k = 0; !found && k < p->names.count; k++) {
        arena_reset(&scratch);
        if ((*orientation = tag_of(p, k, &scratch)) > 1)
            found = p->names.name[k];
    }
    arena_free(&scratch);
    return found;
}
