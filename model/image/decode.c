/* SPDX-License-Identifier: MIT */
#include "model/image/decode.h"

#include <limits.h>
#include <string.h>
#include <stb/stb_image.h>
#include "model/image/container.h"
#include "model/image/orientation.h"
#include "model/image/stb.h"
#include "tensor/base/file.h"

static void refuse(const char *name, const char *reason, Error *e)
{
    if (stb_limit_reached)
        error_set(e, "%s: the picture cannot be decoded, because its data inflate to more than %zu bytes", name,
                  stb_bytes_most);
    else if (!strcmp(reason, "outofmem"))
        error_no_memory(e, "%s: no memory to decode the picture", name);
    else
        error_set(e, "%s: the picture cannot be decoded (%s)", name, reason);
}

/* An upper bound for each single allocation that decoding a file of file_bytes bytes with w x h pixels needs. 16-bit
 * RGBA with filter bytes, and a progressive JPEG's coefficients in blocks of up to 64 x 64, take at most 8 bytes a
 * pixel; growing buffers may double that. */
static size_t bytes_needed(size_t file_bytes, size_t w, size_t h)
{
    const size_t most = 16 * (w + 64) * (h + 64) + 2 * file_bytes;
    return most < STB_BYTES_MAX ? most : STB_BYTES_MAX;
}

/* Decodes with stb_image into `channels` bytes a pixel; the caller frees them with stbi_image_free. NULL on
 * failure, with a sentence in `e`. */
static uint8_t *decode(const void *bytes, size_t n, int channels, const char *name, int *w, int *h, Arena *a, Error *e)
{
    int found = 0;
    if (!container_check(bytes, n, name, e))
        return NULL;
    if (!(bytes = container_fill_palette(bytes, &n, a))) {
        error_no_memory(e, "%s: no memory for the picture", name);
        return NULL;
    }
    if (!stbi_info_from_memory(bytes, (int)n, w, h, &found)) {
        error_set(e, "%s: the picture's header cannot be read (%s)", name, stbi_failure_reason());
        return NULL;
    }
    if (!container_size_check((size_t)*w, (size_t)*h, name, e))
        return NULL;
    stb_limit_reached = false;
    stb_bytes_most = bytes_needed(n, (size_t)*w, (size_t)*h);
    uint8_t *data = stbi_load_from_memory(bytes, (int)n, w, h, &found, channels);
    if (!data)
        refuse(name, stbi_failure_reason(), e);
    return data;
}

static void composite_on_black(uint8_t *rgb, const uint8_t *rgba, size_t pixels)
{
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < 3; c++) {
            // rounds the product of two bytes, divided by 255, to the nearest integer
            unsigned v = rgba[4 * i + c] * (unsigned)rgba[4 * i + 3] + 128;
            rgb[3 * i + c] = (uint8_t)((v + (v >> 8)) >> 8);
        }
}

static bool decode_into(Image *out, const void *bytes, size_t n, bool on_black, const char *name, Arena *a, Error *e)
{
    int w = 0, h = 0;
    ArenaMark mark = arena_mark(a);
    uint8_t *data = decode(bytes, n, on_black ? 4 : 3, name, &w, &h, a, e);
    arena_release(a, mark);
    if (!data)
        return false;
    size_t pixels = (size_t)w * (size_t)h;
    uint8_t *rgb = arena_array(a, pixels, 3);
    if (rgb && on_black)
        composite_on_black(rgb, data, pixels);
    else if (rgb)
        memcpy(rgb, data, 3 * pixels);
    stbi_image_free(data);
    if (!rgb)
        return error_no_memory(e, "%s: no memory for a %d x %d picture", name, w, h);
    *out = (Image){ (size_t)w, (size_t)h, rgb, orientation_of(bytes, n) };
    return true;
}

bool image_decode(Image *out, const void *bytes, size_t n, const char *name, Arena *a, Error *e)
{
    return decode_into(out, bytes, n, false, name, a, e);
}

/* The bytes of the file are in an arena of their own, which is freed once the pixels exist. */
static bool read_into(Image *out, const char *path, bool on_black, Arena *a, Error *e)
{
    Arena file = arena_make(e);
    size_t n = 0;
    char *bytes = file_read(path, CONTAINER_BYTES_MAX, &n, &file, e);
    bool ok = bytes && decode_into(out, bytes, n, on_black, path, a, e);
    arena_free(&file);
    return ok;
}

bool image_read(Image *out, const char *path, Arena *a, Error *e) { return read_into(out, path, false, a, e); }

bool image_read_on_black(Image *out, const char *path, Arena *a, Error *e) { return read_into(out, path, true, a, e); }
