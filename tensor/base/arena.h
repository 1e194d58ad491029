/* SPDX-License-Identifier: MIT */
/* Arena: memory that is given out piece by piece and taken back all at once.
 *
 *     Arena a = arena_make(&error);
 *     float *x = arena_array(&a, n, sizeof *x);     // NULL: no memory, and the Error says so
 *     arena_reset(&a);                              // x is gone; its memory serves the next pieces
 *     arena_free(&a);                               // the system has the memory back
 *
 * A program has two kinds of arenas: one for what belongs to a model (weights, the optimiser's state), and one for what belongs to a
 * step (tape, activations, gradients), which is reset after each step; so only the first steps ask the system for memory.
 * Always: a piece begins at a multiple of 64 bytes. arena_alloc does not clear it, since a kernel writes every element of its
 * output. Under sanitizers, and where a program sets arena_poison, it is filled with 0xff, so that a float which was never
 * written shows as NaN. arena_zalloc clears.
 * Errors: where memory runs out, or `limit` would be passed, a function returns NULL and records an ERROR_MEMORY that says how much
 * was asked for. An arena belongs to one thread at a time. */
#ifndef PULSE_TENSOR_BASE_ARENA_H
#define PULSE_TENSOR_BASE_ARENA_H

#include <stddef.h>
#include "tensor/base/error.h"

/* The one switch of the process, for a program to set before its first arena: ours do where PULSE_POISON is in the environment
 * (ref/cli/environment.h). The library itself asks the environment for nothing. */
extern bool arena_poison;

typedef struct ArenaChunk ArenaChunk;

typedef struct {
    ArenaChunk *first, *current;
    size_t used;      // bytes given out now
    size_t peak;      // the largest `used` so far
    size_t limit;     // the most bytes that may be given out; 0: no limit. The caller sets it.
    Error *error;     // receives a failure; may be NULL
} Arena;

typedef struct { ArenaChunk *chunk; size_t at, used; } ArenaMark;

Arena     arena_make(Error *error);
void     *arena_alloc(Arena *a, size_t bytes);
void     *arena_zalloc(Arena *a, size_t bytes);
/* Memory for n elements of `size` bytes each. A product that overflows is a lack of memory. */
void     *arena_array(Arena *a, size_t n, size_t size);
char     *arena_text(Arena *a, const char *text);
char     *arena_format(Arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
ArenaMark arena_mark(const Arena *a);
void      arena_release(Arena *a, ArenaMark m);   // takes back all that was given out since the mark
/* Takes back all that was given out since the mark, but for the `bytes` at `data`, which move to where the mark was. Returns their
 * new place. */
void     *arena_release_keeping(Arena *a, ArenaMark m, const void *data, size_t bytes);
void      arena_reset(Arena *a);                  // takes back everything and keeps the memory for the next step
void      arena_free(Arena *a);                   // returns the memory to the system

#endif
