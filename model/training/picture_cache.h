/* SPDX-License-Identifier: MIT */
/* PictureCache: the pictures of a data set, by name. A picture is decoded when it is first used, and then kept.
 *
 * A name is a path, absolute or relative to the data set's folder, or FILE.safetensors#ROW: row ROW (from 0) of the U8
 * tensor "images" [N, H, W, 3] of that file. A picture of picture_cache_put may have any name. Once the decoded
 * pictures take 512 MiB, no more are kept: further ones are decoded at each use. Only one thread may use a cache at a
 * time. */
#ifndef PULSE_MODEL_TRAINING_PICTURE_CACHE_H
#define PULSE_MODEL_TRAINING_PICTURE_CACHE_H

#include "model/image/image.h"

typedef struct PictureCache PictureCache;

/* A cache for at most `capacity` pictures of files in `folder`, which must outlive it. NULL: no memory. */
PictureCache *picture_cache_make(const char *folder, size_t capacity, Arena *a);
/* Adds the picture without reading it. Fails unless its file, and its row in the file, exist. `image` must outlive
 * the cache. */
bool picture_cache_add(PictureCache *p, const char *image, Arena *a, Error *e);
/* Adds a picture that is not in a file: n bytes of a PNG or JPEG, which must outlive the cache. */
bool picture_cache_put(PictureCache *p, const char *image, const void *bytes, size_t n, Arena *a, Error *e);
/* The picture of this name. Its pixels are in the cache, or in `a` if the picture is not kept. */
bool picture_cache_get(PictureCache *p, const char *image, Image *out, Arena *a, Error *e);
/* The name of the first picture with an EXIF orientation tag other than 1, and the tag; NULL: there is none. Files are
 * read, but not decoded; a file that cannot be read counts as one without a tag. */
const char *picture_cache_tagged(const PictureCache *p, unsigned *orientation);
/* Closes the files and frees the pictures. `p` may be NULL. */
void picture_cache_close(PictureCache *p);

#endif
