/* SPDX-License-Identifier: MIT */
#include "model/reuse/features.h"

#include <string.h>

enum { BUCKETS = 1024 };

typedef struct Picture Picture;
struct Picture {
    Picture *next;                       // the next picture in the same bucket
    uint64_t hash;
    size_t   n;                          // how many floats `pixels` has
    float   *pixels, *output;
};

struct Features {
    Arena    own;
    Picture *bucket[BUCKETS];
    size_t   lookups, found;
};

Features *features_make(size_t memory, Error *e)
{
    Arena own = arena_make(e);
    Features *x = arena_zalloc(&own, sizeof *x);
    if (!x)
        return NULL;
    own.limit = own.used + memory;
    x->own = own;
    return x;
}

void features_free(Features *x)
{
    if (!x)
        return;
    Arena own = x->own;
    arena_free(&own);
}

static bool below(const char *name, const char *module)
{
    const size_t n = strlen(module);
    return strncmp(name, module, n) == 0 && name[n] == '.';
}

static bool tower_trains(const Weights *w)
{
    for (size_t k = 0; k < w->count; k++)
        if (w->list[k].trainable && below(w->list[k].name, "vision_tower"))
            return true;
    return false;
}

bool features_frozen(const Model *m)
{
    return !tower_trains(m->weights) && !(m->lora && tower_trains(&m->lora->factors));
}

void features_count(const Features *x, size_t *lookups, size_t *found)
{
    *lookups = x->lookups;
    *found = x->found;
}

/* FNV-1a over words of 32 bits. */
static uint64_t hash_of(const float *pixels, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t k = 0; k < n; k++) {
        uint32_t bits;
        memcpy(&bits, pixels + k, sizeof bits);
        h = (h ^ bits) * 0x100000001b3u;
    }
    return h ^ h >> 32;
}

const float *features_find(Features *x, const float *pixels, size_t n)
{
    const uint64_t hash = hash_of(pixels, n);
    x->lookups++;
    for (const Picture *p = x->bucket[hash % BUCKETS]; p; p = p->next)
        if (p->hash == hash && p->n == n && memcmp(p->pixels, pixels, n * sizeof *pixels) == 0) {
            x->found++;
            return p->output;
        }
    return NULL;
}

void features_keep(Features *x, const float *pixels, size_t n, const float *output, size_t count)
{
    const size_t bytes = sizeof(Picture) + (n + count) * sizeof(float) + 3 * 64;     // each of 3 pieces is padded to 64
    if (bytes > x->own.limit - x->own.used)
        return;
    Picture *p = arena_alloc(&x->own, sizeof *p);
    float *kept_pixels = arena_array(&x->own, n, sizeof *kept_pixels),
        *kept_output = arena_array(&x->own, count, sizeof *kept_output);
    if (!p || !kept_pixels || !kept_output)
        return;
    const uint64_t hash = hash_of(pixels, n);
    memcpy(kept_pixels, pixels, n * sizeof *kept_pixels);
    memcpy(kept_output, output, count * sizeof *kept_output);
    *p = (Picture){ x->bucket[hash % BUCKETS], hash, n, kept_pixels, kept_output };
    x->bucket[hash % BUCKETS] = p;
}
