/* SPDX-License-Identifier: MIT */
#include "eval/knowledge/pictures.h"

#include "tensor/base/hash.h"
#include "tensor/base/random.h"

/* Random numbers of the noise have the indices 2^24 h + k (pictures.h). A picture has at most VALUES_MAX = 2^24 values,
 * so the indices of two pictures do not overlap. */
enum { SHIFT = 3, NOISE = 12, VALUES_MAX = 1 << 24 };

/* A new picture of the same size, whose pixels are not yet set. */
static bool same_size_make(Image *out, const Image *in, Arena *a)
{
    *out = (Image){ .width = in->width, .height = in->height, .rgb = arena_array(a, in->width * in->height, 3) };
    return out->rgb != NULL;
}

/* The picture mirrored, or else shifted by `shift` pixels to the right and down. */
static bool moved(Image *out, const Image *in, bool mirrored, size_t shift, Arena *a)
{
    if (!same_size_make(out, in, a))
        return false;
    for (size_t y = 0; y < in->height; y++)
        for (size_t x = 0; x < in->width; x++) {
            const size_t row = y < shift ? 0 : y - shift, column = mirrored ? in->width - 1 - x : x < shift ? 0 : x - shift;
            for (size_t c = 0; c < 3; c++)
                out->rgb[3 * (y * in->width + x) + c] = in->rgb[3 * (row * in->width + column) + c];
        }
    return true;
}

static uint8_t byte_of(double v)
{
    const double up = v + 0.5;
    return (uint8_t)(up < 0 ? 0 : up >= 255 ? 255 : (int)up);
}

static bool mirrored(Image *out, const Image *in, const char *name, const void *context, Arena *a, Error *e)
{
    (void)name, (void)context, (void)e;
    return moved(out, in, true, 0, a);
}

static bool shifted(Image *out, const Image *in, const char *name, const void *context, Arena *a, Error *e)
{
    (void)name, (void)context, (void)e;
    return moved(out, in, false, SHIFT, a);
}

static bool dimmed(Image *out, const Image *in, const char *name, const void *context, Arena *a, Error *e)
{
    (void)name, (void)context, (void)e;
    if (!same_size_make(out, in, a))
        return false;
    for (size_t k = 0; k < 3 * in->width * in->height; k++)
        out->rgb[k] = byte_of(0.7 * in->rgb[k]);
    return true;
}

/* The first 8 hex digits of the digest of a name. */
static uint64_t name_number(const char *name)
{
    Hash h = hash_begin();
    hash_text(&h, name);
    const Digest d = hash_end(&h);
    uint64_t n = 0;
    for (size_t k = 0; k < 8; k++)
        n = 16 * n + (uint64_t)(d.hex[k] <= '9' ? d.hex[k] - '0' : d.hex[k] - 'a' + 10);
    return n;
}

static bool noisy(Image *out, const Image *in, const char *name, const void *context, Arena *a, Error *e)
{
    const Random r = random_for(0, "picture.noise");
    const uint64_t first = name_number(name) << 24;
    const size_t n = 3 * in->width * in->height;
    (void)context;
    if (n > VALUES_MAX)
        return error_set(e, "a picture of %zu x %zu gets no noise, expected at most %d values, 3 for each pixel", in->width, in->height,
                         VALUES_MAX);
    if (!same_size_make(out, in, a))
        return false;
    for (size_t k = 0; k < n; k++) {
        const double noise = NOISE * (double)random_normal(r, first + k);
        out->rgb[k] = byte_of(in->rgb[k] + noise);
    }
    return true;
}

const OtherPicture other_pictures[OTHER_PICTURES] = {
    { "accuracy_mirrored", { mirrored, NULL } }, { "accuracy_shifted", { shifted, NULL } },
    { "accuracy_dimmed", { dimmed, NULL } }, { "accuracy_noisy", { noisy, NULL } },
};
