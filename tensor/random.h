/* SPDX-License-Identifier: MIT */
/* Random numbers without state: a function of seed, purpose and index (GRAPH.md).
 *
 * Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11) with
 * key = {seed low, purpose}, counter = {index low, index high, seed high, draw}. Two purposes never share a
 * stream; an index can be drawn at any time, in any order, by any thread. */
#ifndef PULSE_TENSOR_RANDOM_H
#define PULSE_TENSOR_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct { uint64_t seed; uint32_t purpose; } Random;

/* The purpose of a name: the first 32 bits (little-endian) of its SHA-256, so that purposes are words ("init.A", "shuffle"). */
Random   random_for(uint64_t seed, const char *purpose);

void     philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
uint32_t random_bits(Random r, uint64_t index);                      // word 0 of draw 0
float    random_uniform(Random r, uint64_t index);                   // 24 bits times 2^-24: [0, 1)
uint32_t random_below(Random r, uint64_t index, uint32_t n);         // unbiased, rejection; n >= 1
float    random_normal(Random r, uint64_t index);                    // Irwin-Hall: 12 uniforms of 24 bits, minus 6, exact
/* perm becomes a Fisher-Yates shuffle of 0 … n-1. */
void     random_shuffle(Random r, uint32_t *perm, size_t n);

#endif
