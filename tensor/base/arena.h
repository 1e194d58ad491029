/* SPDX-License-Identifier: MIT */
/* Arena: memory that is allocated piece by piece and freed all at once.
 *
 *     Arena a = arena_make(&error);
 *     float *x = arena_array(&a, n, sizeof *x);     // NULL: no memory, and the Error says so
 *     arena_reset(&a);                              // x is no longer valid; its memory is used again
 *     arena_free(&a);                               // returns the memory to the system
 *
 * A training has two arenas. One holds what belongs to the model: weights and the optimiser's state. The other holds
 * what belongs to a step: tape, activations and gradients. It is reset after each step and keeps its memory, so only
 * the first steps ask the system for memory. Always: a piece begins at a multiple of 64 bytes. arena_zalloc clears it.
 * arena_alloc does not, because a kernel writes every element of its output. If arena_poison is set, as it is under
 * sanitizers, arena_alloc fills the piece with 0xff, so that a float which was never written shows as NaN.
 * Errors: if memory runs out, if the arena would exceed its `limit`, or if all arenas of the process together would
 * need more than nine tenths of the machine's memory plus its swap, a function returns NULL and records an
 * ERROR_MEMORY. For a piece, the sentence says how much was asked for. An arena belongs to one thread at a time. */
#ifndef PULSE_TENSOR_BASE_ARENA_H
#define PULSE_TENSOR_BASE_ARENA_H

#include <stddef.h>
#include "tensor/base/error.h"

/* Whether new pieces are filled with 0xff. A program sets it before its first arena; pulse-ref sets it if
 * PULSE_POISON is in the environment (ref/cli/environment.h). The library itself does not read this variable. */
extern bool arena_poison;

typedef struct ArenaChunk ArenaChunk;

typedef struct {
    ArenaChunk *first, *current;
    size_t used;      // bytes given out now, where each piece counts as a multiple of 64
    size_t peak;      // the largest `used` so far
    size_t limit;     // the most bytes that may be given out; 0: no limit. The caller sets it.
    Error *error;     // receives a failure; may be NULL
} Arena;

typedef struct { ArenaChunk *chunk; size_t at, used; } ArenaMark;

Arena     arena_make(Error *error);
void     *arena_alloc(Arena *a, size_t bytes);
void     *arena_zalloc(Arena *a, size_t bytes);
/* Memory for n elements of `size` bytes each. If n * size overflows, this counts as out of memory. */
void     *arena_array(Arena *a, size_t n, size_t size);
char     *arena_text(Arena *a, const char *text);
char     *arena_format(Arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
ArenaMark arena_mark(const Arena *a);
void      arena_release(Arena *a, ArenaMark m);   // takes back all that was given out since the mark
/* Takes back all that was given out since the mark, except for the `bytes` bytes at `data`, which move to the first
 * free place after the mark. Returns their new address; NULL: memory ran out. */
void     *arena_release_keeping(Arena *a, ArenaMark m, const void *data, size_t bytes);
void      arena_reset(Arena *a);                  // takes back everything and keeps the memory for the next step
void      arena_free(Arena *a);                   // returns the memory to the system

/* arena_scratch returns a second arena; NULL: no memory, and the Error says so. The second arena is for scratch memory
 * that is not needed after an operator's call; the results stay in `a`. Each call reuses the scratch memory of the
 * previous one, which is still in the caches of the threads that wrote it. The pieces of the second arena count towards
 * the limit and the peak of `a`. arena_scratch_end takes all of them back; arena_free(a) frees both arenas. */
Arena    *arena_scratch(Arena *a);
void      arena_scratch_end(Arena *a);

#endif
