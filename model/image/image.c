/* SPDX-License-Identifier: MIT */
#include "model/image/image.h"

#include <string.h>
#include "model/image/stb.h"
#include "tensor/base/file.h"

static bool image_make(Image *out, size_t width, size_t height, Arena *a, Error *e)
{
    if (!width || !height || width > IMAGE_VALUES_MAX / 3 / height)
        return error_set(e, "a %zu x %zu picture cannot be made, expected 1 to %zu values, 3 for each pixel", width, height,
                         IMAGE_VALUES_MAX);
    *out = (Image){ .width = width, .height = height, .rgb = arena_array(a, width * height, 3) };
    return out->rgb || error_no_memory(e, "no memory for a %zu x %zu picture", width, height);
}

bool image_pad(Image *out, const Image *in, const uint8_t colour[3], Arena *a, Error *e)
{
    size_t side = in->width > in->height ? in->width : in->height;
    size_t left = (side - in->width) / 2, top = (side - in->height) / 2;
    Image square;
    if (!image_make(&square, side, side, a, e))
        return false;
    for (size_t i = 0; i < 3 * side * side; i++)
        square.rgb[i] = colour[i % 3];
    for (size_t y = 0; y < in->height; y++)
        memcpy(square.rgb + 3 * ((top + y) * side + left), in->rgb + 3 * y * in->width, 3 * in->width);
    *out = square;
    return true;
}

bool image_crop(Image *out, const Image *in, size_t left, size_t top, size_t width, size_t height, Arena *a, Error *e)
{
    Image part;
    if (width > in->width || left > in->width - width || height > in->height || top > in->height - height)
        return error_set(e, "a crop of %zu x %zu does not fit a picture of %zu x %zu", width, height, in->width,
                         in->height);
    if (!image_make(&part, width, height, a, e))
        return false;
    for (size_t y = 0; y < height; y++)
        memcpy(part.rgb + 3 * y * width, in->rgb + 3 * ((top + y) * in->width + left), 3 * width);
    *out = part;
    return true;
}

static void write_bytes(void *stream, void *data, int n) { fwrite(data, 1, (size_t)n, stream); }

bool image_print_png(FILE *f, const Image *in)
{
    return stb_write_png(write_bytes, f, (int)in->width, (int)in->height, in->rgb) && !ferror(f);
}

bool image_write_png(const char *path, const Image *in, Error *e)
{
    FileWriter w;
    if (!in->width || !in->height || in->width > IMAGE_VALUES_MAX / 4 / in->height)
        return error_set(e, "%s: a picture of %zu x %zu cannot be written, expected 1 to %zu pixels", path, in->width, in->height,
                         IMAGE_VALUES_MAX / 4);
    if (!file_begin(&w, path, e))
        return false;
    if (!image_print_png(w.stream, in)) {
        const bool failed = ferror(w.stream);
        file_drop(&w);
        return failed ? error_io(e, "%s: the picture cannot be written", path)
                      : error_no_memory(e, "%s: no memory to write the picture", path);
    }
    return file_finish(&w, e);
}
