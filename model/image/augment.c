/* SPDX-License-Identifier: MIT */
#include "model/image/augment.h"

#include "tensor/base/random.h"
#include "tensor/base/team.h"

enum { AUGMENT_MAX = 1 << 24 };

/* noise: the index of the random number for the first value of the picture. */
typedef struct { int64_t dx, dy; double gain; uint64_t noise; Random random; } Augment;

static Augment augment_draw(uint64_t seed, uint64_t use)
{
    Random shift = random_for(seed, "augment.shift"), gain = random_for(seed, "augment.gain");
    Augment g = { .noise = use << 24, .random = random_for(seed, "augment.noise") };
    g.dx = (int64_t)random_below(shift, 2 * use, 3) - 1;
    g.dy = (int64_t)random_below(shift, 2 * use + 1, 3) - 1;
    double u = random_uniform(gain, use), part = 0.2 * u;
    g.gain = 0.9 + part;
    return g;
}

static size_t clamp_index(size_t at, int64_t by, size_t n)
{
    int64_t index = (int64_t)at - by;
    return index < 0 ? 0 : index >= (int64_t)n ? n - 1 : (size_t)index;
}

static uint8_t augment_value(const Augment *g, uint8_t v, size_t k)
{
    double bright = v * g->gain, noise = 4.0 * random_normal(g->random, g->noise + k), sum = bright + noise, up = sum + 0.5;
    return (uint8_t)(up < 0 ? 0 : up >= 255 ? 255 : (int)up);
}

typedef struct { const Image *in; uint8_t *rgb; const Augment *g; } Rows;

static void rows_part(const void *context, size_t begin, size_t end, size_t worker)
{
    const Rows *r = context;
    const size_t w = r->in->width, h = r->in->height;
    (void)worker;
    for (size_t y = begin; y < end; y++)
        for (size_t i = 0; i < 3 * w; i++) {
            size_t from = clamp_index(y, r->g->dy, h) * w + clamp_index(i / 3, r->g->dx, w), k = 3 * y * w + i;
            r->rgb[k] = augment_value(r->g, r->in->rgb[3 * from + i % 3], k);
        }
}

bool image_augment(Image *out, const Image *in, uint64_t seed, uint64_t use, Arena *a, Error *e)
{
    size_t w = in->width, h = in->height;
    if (!w || !h || w > AUGMENT_MAX / 3 / h)
        return error_set(e, "a picture of %zu x %zu cannot be augmented, expected 1 to %d values, 3 for each pixel", w, h, AUGMENT_MAX);
    uint8_t *rgb = arena_array(a, w * h, 3);
    if (!rgb)
        return error_no_memory(e, "no memory to augment a picture of %zu x %zu", w, h);
    Augment g = augment_draw(seed, use);
    team_run(h, team_grain(256, 3 * w), rows_part, &(Rows){ in, rgb, &g }, NULL);
    *out = (Image){ .width = w, .height = h, .rgb = rgb };
    return true;
}
