/* SPDX-License-Identifier: MIT */
/* Arena: room that is given out piece by piece and taken back all at once.
 *
 * Two lifetimes: what belongs to a model (weights, optimiser state) and what belongs to a step
 * (tape, activations, gradients), reset after each step, so that a step costs no malloc once the
 * first one has found its size.
 * Always: pieces are 64-byte aligned. arena_alloc does not clear (kernels write every output they
 * own); with PULSE_POISON set in the environment, and under sanitizers, it fills with 0xff, so that a read of what was
 * never written shows as NaN. arena_zalloc clears.
 * Fails: out of memory, or over `limit`: NULL, and the Error says how much was asked for. */
#ifndef PULSE_TENSOR_BASE_ARENA_H
#define PULSE_TENSOR_BASE_ARENA_H

#include <stddef.h>
#include "tensor/base/error.h"

typedef struct ArenaChunk ArenaChunk;

typedef struct {
    ArenaChunk *first, *current;
    size_t used;      // bytes given out now
    size_t peak;      // the most that ever was
    size_t limit;     // bytes; 0: none
    Error *error;     // where a failure is written
} Arena;

typedef struct { ArenaChunk *chunk; size_t at, used; } ArenaMark;

Arena     arena_make(Error *error);
void     *arena_alloc(Arena *a, size_t bytes);
void     *arena_zalloc(Arena *a, size_t bytes);
/* n * size bytes; an overflowing product fails like a lack of memory. */
void     *arena_array(Arena *a, size_t n, size_t size);
char     *arena_text(Arena *a, const char *text);
char     *arena_format(Arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
ArenaMark arena_mark(const Arena *a);
void      arena_release(Arena *a, ArenaMark m);   // takes back all given out since the mark
/* Takes back all since the mark but for `bytes` at `data`, which move to where the mark was. */
void     *arena_release_keeping(Arena *a, ArenaMark m, const void *data, size_t bytes);
void      arena_reset(Arena *a);                  // takes back everything, keeps the memory for the next step
void      arena_free(Arena *a);                   // returns the memory to the system

#endif
