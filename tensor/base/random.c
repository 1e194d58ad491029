/* SPDX-License-Identifier: MIT */
#include "tensor/base/random.h"

#include <string.h>
#include "tensor/base/hash.h"

/* One round: two 32x32 -> 64 products; the high halves are mixed with the other words and the key. */
static void philox_round(uint32_t c[4], const uint32_t key[2])
{
    uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
    uint32_t c1 = c[1], c3 = c[3];
    c[0] = (uint32_t)(p1 >> 32) ^ c1 ^ key[0];
    c[1] = (uint32_t)p1;
    c[2] = (uint32_t)(p0 >> 32) ^ c3 ^ key[1];
    c[3] = (uint32_t)p0;
}

void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t k[2] = { key[0], key[1] };
    memcpy(out, counter, 4 * sizeof *out);
    for (int round = 0; round < 10; round++) {
        philox_round(out, k);
        k[0] += 0x9E3779B9u;       // a Weyl sequence of keys: from the golden ratio, and below from sqrt(3) - 1
        k[1] += 0xBB67AE85u;
    }
}

static void draw_words(Random r, uint64_t index, uint32_t draw, uint32_t out[4])
{
    const uint32_t counter[4] = { (uint32_t)index, (uint32_t)(index >> 32), (uint32_t)(r.seed >> 32), draw };
    const uint32_t key[2] = { (uint32_t)r.seed, r.purpose };
    philox4x32(counter, key, out);
}

Random random_for(uint64_t seed, const char *purpose)
{
    Digest d = digest_bytes(purpose, strlen(purpose));
    uint32_t word = 0;
    for (int i = 7; i >= 0; i--) {         // the first four bytes as eight hex digits, the fourth byte highest
        char c = d.hex[i ^ 1];
        word = word << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return (Random){ seed, word };
}

uint32_t random_bits(Random r, uint64_t index)
{
    uint32_t w[4];
    draw_words(r, index, 0, w);
    return w[0];
}

float random_uniform(Random r, uint64_t index)
{
    return (float)(random_bits(r, index) >> 8) * 0x1p-24f;
}

uint32_t random_below(Random r, uint64_t index, uint32_t n)
{
    const uint64_t fair = ((uint64_t)1 << 32) / n * n;
    uint32_t w[4], draw = 0;
    do
        draw_words(r, index, draw++, w);
    while (w[0] >= fair);
    return w[0] % n;
}

float random_normal(Random r, uint64_t index)
{
    int32_t sum = -6 * (1 << 24);          // in units of 2^-24; |sum| <= 6 2^24 < 2^31
    for (uint32_t draw = 0; draw < 3; draw++) {
        uint32_t w[4];
        draw_words(r, index, draw, w);
        for (int i = 0; i < 4; i++)
            sum += (int32_t)(w[i] >> 8);
    }
    return (float)((double)sum * 0x1p-24);
}

void random_shuffle(Random r, uint32_t *perm, size_t n)
{
    for (size_t i = 0; i < n; i++)
        perm[i] = (uint32_t)i;
    for (size_t i = n; i-- > 1; ) {
        uint32_t j = random_below(r, i, (uint32_t)(i + 1)), kept = perm[i];
        perm[i] = perm[j];
        perm[j] = kept;
    }
}
