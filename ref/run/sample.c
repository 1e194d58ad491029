/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include "ref/run/audit.h"
#include "tensor/base/random.h"

static uint64_t seed_of(const char *chain, uint64_t seed)
{
    char text[32];
    Hash h = hash_begin();
    snprintf(text, sizeof text, "%llu", (unsigned long long)seed);
    hash_text(&h, chain);
    hash_text(&h, text);
    const Digest d = hash_end(&h);
    uint64_t out = 0;
    for (int k = 0; k < 16; k++)
        out = out << 4 | (uint64_t)(d.hex[k] <= '9' ? d.hex[k] - '0' : d.hex[k] - 'a' + 10);
    return out;
}

uint32_t *audit_sample(const char *chain, uint64_t seed, size_t units, size_t sample, Arena *a)
{
    uint32_t *all = arena_array(a, units + 1, sizeof *all), *out = arena_array(a, sample + 1, sizeof *out);
    unsigned char *drawn = arena_zalloc(a, units + 1);
    if (!all || !out || !drawn)
        return NULL;
    random_shuffle(random_for(seed_of(chain, seed), "audit"), all, units);
    for (size_t k = 0; k < sample; k++)
        drawn[all[k]] = 1;
    size_t n = 0;
    for (size_t k = 0; k < units; k++)
        if (drawn[k])
            out[n++] = (uint32_t)k;
    return out;
}

/* C(units - changed, sample) / C(units, sample) is a product of `changed` factors:
 * (units - sample) / units x (units - sample - 1) / (units - 1) x … */
double audit_probability(size_t units, size_t changed, size_t sample)
{
    double missed = 1;
    for (size_t k = 0; k < changed; k++)
        missed *= units - sample > k ? (double)(units - sample - k) / (double)(units - k) : 0;
    return 1 - missed;
}
