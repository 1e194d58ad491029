/* SPDX-License-Identifier: MIT */
#include "model/image/processor.h"

#include <string.h>

static const double clip_mean[3] = { 0.48145466, 0.4578275, 0.40821073 },
    clip_std[3] = { 0.26862954, 0.26130258, 0.27577711 };

ImageProcessor image_processor(size_t side)
{
    ImageProcessor s = { .resize = true, .shortest = side, .crop = true, .crop_width = side, .crop_height = side,
                        .filter = IMAGE_BICUBIC, .scale = 1 / 255.0, .normalise = true };
    memcpy(s.mean, clip_mean, sizeof s.mean);
    memcpy(s.std, clip_std, sizeof s.std);
    return s;
}

bool image_processor_size(const ImageProcessor *s, size_t *width, size_t *height, Error *e)
{
    bool square = s->pad && s->resize && s->shortest;
    if (!s->crop && !square && (s->shortest || !s->resize))
        return error_set(e, "the size of a prepared picture depends on the picture, expected do_center_crop, or a size with "
                            "height and width");
    *width = s->crop ? s->crop_width : square ? s->shortest : s->width;
    *height = s->crop ? s->crop_height : square ? s->shortest : s->height;
    return true;
}

void image_normalise(float *out, const Image *in, const ImageProcessor *s)
{
    size_t n = in->width * in->height;
    for (size_t c = 0; c < 3; c++) {
        float m = (float)s->mean[c], d = (float)s->std[c], k = (float)(1 / s->scale), mk = m * k, dk = d * k;
        for (size_t i = 0; i < n; i++) {
            float v = s->fused ? (float)in->rgb[3 * i + c] : (float)(in->rgb[3 * i + c] * s->scale);
            float centred = v - (s->fused ? mk : m);
            out[c * n + i] = s->normalise ? centred / (s->fused ? dk : d) : v;
        }
    }
}

/* The size after the resize. Either both edges are given, or only the shortest; the other is then in proportion,
 * rounded down. */
static void resized_size(const ImageProcessor *s, const Image *in, size_t *width, size_t *height)
{
    *width = s->shortest ? s->shortest : s->width;
    *height = s->shortest ? s->shortest : s->height;
    if (s->shortest && in->width > in->height)
        *width = s->shortest * in->width / in->height;
    else if (s->shortest)
        *height = s->shortest * in->height / in->width;
}

bool image_fit(Image *out, const Image *in, const ImageProcessor *s, Arena *a, Error *e)
{
    Image x = *in;
    uint8_t colour[3] = { 0 };
    size_t width, height;
    for (size_t c = 0; s->pad && c < 3; c++)
        colour[c] = (uint8_t)(s->mean[c] * 255);
    if (s->pad && !image_pad(&x, &x, colour, a, e))
        return false;
    resized_size(s, &x, &width, &height);
    if (s->resize && !image_resize(&x, &x, width, height, s->filter, a, e))
        return false;
    if (s->crop && (x.width < s->crop_width || x.height < s->crop_height))
        return error_set(e, "a crop of %zu x %zu does not fit a picture of %zu x %zu", s->crop_width, s->crop_height,
                         x.width, x.height);
    if (s->crop && !image_crop(&x, &x, (x.width - s->crop_width) / 2, (x.height - s->crop_height) / 2, s->crop_width,
                               s->crop_height, a, e))
        return false;
    *out = x;
    return true;
}

bool image_preprocess(float *out, const Image *in, const ImageProcessor *s, Arena *a, Error *e)
{
    size_t width, height;
    Image fitted;
    ArenaMark mark = arena_mark(a);
    bool ok = image_processor_size(s, &width, &height, e) && image_fit(&fitted, in, s, a, e);
    if (ok)
        image_normalise(out, &fitted, s);
    arena_release(a, mark);
    return ok;
}
