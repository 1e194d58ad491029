/* SPDX-License-Identifier: MIT */
/* Pillow's resize of RGB bytes (its Resample.c), written from a description of what it computes. There are two
 * passes with weights in 22-bit fixed point: first the horizontal one, then the vertical one. The result of the
 * first is bytes. A pass that changes no length is left out. */
#include "model/image/resize.h"

#include <string.h>

enum { FRACTION = 22 };

/* The input pixels from which one output pixel is computed, and their weights. */
typedef struct {
    size_t   lo, count;        // the input pixels lo … lo + count - 1
    int32_t *weight;           // [count], times 2^22
} Reach;

static double cubic(double x)               // the kernel of Keys (1981) with a = -1/2
{
    if (x < 0)
        x = -x;
    if (x < 1)
        return ((-0.5 + 2) * x - (-0.5 + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
}

static double triangle(double x)
{
    if (x < 0)
        x = -x;
    return x < 1 ? 1 - x : 0;
}

static double box(double x) { return x > -0.5 && x <= 0.5 ? 1 : 0; }

static double filter_support(ImageFilter f) { return f == IMAGE_BICUBIC ? 2 : f == IMAGE_BILINEAR ? 1 : 0.5; }

static double filter_weight(ImageFilter f, double x)
{
    return f == IMAGE_BICUBIC ? cubic(x) : f == IMAGE_BILINEAR ? triangle(x) : box(x);
}

/* The weights of output pixel i, for `in` input pixels; `scale` is `in` divided by the number of output pixels. The
 * weights are divided, in double, by their sum, and then rounded to fixed point. `w` is scratch memory for them. */
static void reach_fill(Reach *r, size_t i, size_t in, double scale, ImageFilter f, double *w)
{
    double stretch = scale < 1 ? 1 : scale, support = filter_support(f) * stretch, inverse = 1 / stretch;
    double centre = ((double)i + 0.5) * scale, low = centre - support + 0.5, high = centre + support + 0.5, sum = 0;
    r->lo = low < 0 ? 0 : (size_t)low;
    r->count = (high > (double)in ? in : (size_t)high) - r->lo;
    for (size_t j = 0; j < r->count; j++)
        sum += w[j] = filter_weight(f, ((double)(j + r->lo) - centre + 0.5) * inverse);
    for (size_t j = 0; j < r->count; j++) {
        double k = (sum != 0 ? w[j] / sum : w[j]) * (1 << FRACTION);
        r->weight[j] = (int32_t)(k < 0 ? k - 0.5 : k + 0.5);
    }
}

static Reach *reaches(size_t in, size_t out, ImageFilter f, Arena *a)
{
    double scale = (double)in / (double)out, support = filter_support(f) * (scale < 1 ? 1 : scale);
    size_t most = 2 * ((size_t)support + 1) + 1;
    Reach *r = arena_array(a, out, sizeof *r);
    double *w = arena_array(a, most, sizeof *w);
    int32_t *weights = most > SIZE_MAX / out ? NULL : arena_array(a, out * most, sizeof *weights);
    if (!r || !w || !weights)
        return NULL;
    for (size_t i = 0; i < out; i++) {
        r[i].weight = weights + i * most;
        reach_fill(&r[i], i, in, scale, f, w);
    }
    return r;
}

/* The weighted sum of bytes that are `stride` apart, rounded to the nearest integer by an arithmetic shift, then
 * clipped to a byte. */
static uint8_t weigh(const uint8_t *p, size_t stride, const Reach *r)
{
    int32_t sum = 1 << (FRACTION - 1);
    for (size_t j = 0; j < r->count; j++)
        sum += p[(r->lo + j) * stride] * r->weight[j];
    int32_t v = sum >= 0 ? sum >> FRACTION : -1;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static bool resize_rows(Image *out, const Image *in, ImageFilter f, Arena *a)
{
    const Reach *r = reaches(in->width, out->width, f, a);
    for (size_t y = 0; r && y < in->height; y++)
        for (size_t x = 0; x < out->width; x++)
            for (size_t c = 0; c < 3; c++)
                out->rgb[3 * (y * out->width + x) + c] = weigh(in->rgb + 3 * y * in->width + c, 3, &r[x]);
    return r != NULL;
}

static bool resize_columns(Image *out, const Image *in, ImageFilter f, Arena *a)
{
    const Reach *r = reaches(in->height, out->height, f, a);
    for (size_t y = 0; r && y < out->height; y++)
        for (size_t x = 0; x < 3 * in->width; x++)
            out->rgb[3 * y * in->width + x] = weigh(in->rgb + x, 3 * in->width, &r[y]);
    return r != NULL;
}

static bool resize_into(Image *out, const Image *in, ImageFilter f, Arena *a, Error *e)
{
    Image horizontal = *in;
    if (out->width != in->width) {
        horizontal = (Image){ .width = out->width, .height = in->height, .rgb = arena_array(a, out->width * in->height, 3) };
        if (!horizontal.rgb || !resize_rows(&horizontal, in, f, a))
            return error_no_memory(e, "no memory to resize a %zu x %zu picture", in->width, in->height);
    }
    if (out->height == in->height)
        memcpy(out->rgb, horizontal.rgb, 3 * out->width * out->height);
    else if (!resize_columns(out, &horizontal, f, a))
        return error_no_memory(e, "no memory to resize a %zu x %zu picture", in->width, in->height);
    return true;
}

bool image_resize(Image *out, const Image *in, size_t width, size_t height, ImageFilter filter, Arena *a, Error *e)
{
    size_t most = IMAGE_VALUES_MAX / 3;
    if (!width || !height || width > most / height || width > most / in->height)
        return error_set(e, "a %zu x %zu picture cannot be resized to %zu x %zu: expected sides of at least 1, and at most "
                            "%zu values, 3 for each pixel", in->width, in->height, width, height, IMAGE_VALUES_MAX);
    uint8_t *rgb = arena_array(a, width * height, 3);
    if (!rgb)
        return error_no_memory(e, "no memory for a %zu x %zu picture", width, height);
    Image result = { .width = width, .height = height, .rgb = rgb };
    ArenaMark mark = arena_mark(a);
    bool ok = resize_into(&result, in, filter, a, e);
    arena_release(a, mark);
    if (ok)
        *out = result;
    return ok;
}
