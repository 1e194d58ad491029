/* SPDX-License-Identifier: MIT */
/* Random numbers without state: a function of seed, purpose and index.
 *
 * Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11) with
 *     key     = {seed mod 2^32, purpose}
 *     counter = {index mod 2^32, index / 2^32, seed / 2^32, draw}
 * gives four words w0 … w3 for each index and draw. Two purposes have different streams, unless the first four bytes
 * of their SHA-256 agree. An index can be drawn at any time, in any order, by any thread. The functions below all
 * begin with draw 0, so each use needs its own purpose. A purpose is a word for what is drawn, such as "shuffle" or
 * the name of a parameter that is initialised. */
#ifndef PULSE_TENSOR_BASE_RANDOM_H
#define PULSE_TENSOR_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct { uint64_t seed; uint32_t purpose; } Random;

/* The field `purpose` is the first four bytes, little-endian, of the SHA-256 of the word. */
Random   random_for(uint64_t seed, const char *purpose);

void     philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
/* w0 of draw 0. */
uint32_t random_bits(Random r, uint64_t index);
/* floor(w0 / 2^8) 2^-24 of draw 0: in [0, 1). */
float    random_uniform(Random r, uint64_t index);
/* w0 mod n of the first draw 0, 1, 2, … with w0 < floor(2^32 / n) n: every value equally likely. n >= 1. */
uint32_t random_below(Random r, uint64_t index, uint32_t n);
/* RN is the nearest float. RN(sum of floor(w / 2^8) 2^-24 over the twelve words of draws 0, 1, 2, minus 6): the sum is
 * exact and rounded once (Irwin-Hall: mean 0, variance 1, within 6). */
float    random_normal(Random r, uint64_t index);
/* perm = 0 … n-1, then for i = n-1 … 1: swap perm[i] with perm[random_below(r, i, i+1)] (Fisher-Yates).
 * n < 2^32. */
void     random_shuffle(Random r, uint32_t *perm, size_t n);

#endif
