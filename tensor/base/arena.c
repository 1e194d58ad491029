/* SPDX-License-Identifier: MIT */
#include "tensor/base/arena.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/sysinfo.h>
#endif

// in bytes; a piece that the next chunk could not hold gets a chunk of its own size
enum { ALIGN = 64, FIRST_CHUNK = 1 << 16, LARGEST_CHUNK = 1 << 28 };

struct ArenaChunk {
    ArenaChunk *next;
    size_t size, at;           // how many bytes follow this header, and how many of them are given out
    unsigned char *base;       // 64-byte aligned
    Arena *scratch;             // of an arena's first chunk: the arena that arena_scratch returns; NULL: none yet
};

#ifdef PULSE_SANITIZED
bool arena_poison = true;
#else
bool arena_poison;
#endif

Arena arena_make(Error *error)
{
    return (Arena){ .error = error };
}

static atomic_size_t reserved;     // the bytes of all chunks of the process

/* The most bytes that all chunks may have: nine tenths of the machine's memory plus all of its swap. The system
 * promises more memory than it has, and kills a process that uses too much of it. So a request beyond this limit is
 * refused here, with a sentence. */
static size_t most_bytes(void)
{
#ifdef __linux__
    struct sysinfo machine;
    if (sysinfo(&machine) == 0)
        return (size_t)((machine.totalram / 10 * 9 + machine.totalswap) * (uint64_t)machine.mem_unit);
#endif
    return SIZE_MAX;
}

static ArenaChunk *chunk_make(size_t size)
{
    size_t most = most_bytes(), before = atomic_fetch_add(&reserved, size);
    ArenaChunk *c = size <= most && before <= most - size ? malloc(sizeof *c) : NULL;
    if (c)
        *c = (ArenaChunk){ .size = size };
    if (!c || posix_memalign((void **)&c->base, ALIGN, size)) {
        free(c);
        atomic_fetch_sub(&reserved, size);
        return NULL;
    }
    return c;
}

/* A chunk with room for `bytes`: the current one, a later one that is left from before a reset, or a new one. NULL:
 * memory ran out. */
static ArenaChunk *chunk_for(Arena *a, size_t bytes)
{
    ArenaChunk *c = a->current;
    if (c && c->size - c->at >= bytes)
        return c;
    while (c && c->next) {
        c = c->next;
        c->at = 0;
        if (c->size >= bytes)
            return a->current = c;
    }
    size_t size = !c ? FIRST_CHUNK : c->size < LARGEST_CHUNK / 2 ? 2 * c->size : LARGEST_CHUNK;
    if (size < bytes)
        size = bytes;
    ArenaChunk *fresh = chunk_make(size);
    if (!fresh && size > bytes)
        fresh = chunk_make(bytes);
    if (!fresh)
        return NULL;
    if (c)
        c->next = fresh;
    else
        a->first = fresh;
    return a->current = fresh;
}

static void *give(Arena *a, size_t bytes)
{
    size_t size = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    if (size < bytes || (a->limit && (size > a->limit || a->used > a->limit - size))) {
        error_no_memory(a->error, "out of memory: %zu bytes asked for, %zu in use, limit %zu", bytes, a->used, a->limit);
        return NULL;
    }
    if (size == 0)
        size = ALIGN;
    ArenaChunk *c = chunk_for(a, size);
    if (!c) {
        error_no_memory(a->error, "out of memory: %zu bytes asked for, %zu in use, and the machine allows %zu for the whole program", bytes,
                        a->used, most_bytes());
        return NULL;
    }
    void *piece = c->base + c->at;
    c->at += size;
    a->used += size;
    if (a->used > a->peak)
        a->peak = a->used;
    return piece;
}

void *arena_alloc(Arena *a, size_t bytes)
{
    void *piece = give(a, bytes);
    return piece && arena_poison ? memset(piece, 0xff, bytes) : piece;
}

void *arena_zalloc(Arena *a, size_t bytes)
{
    void *piece = arena_alloc(a, bytes);
    return piece ? memset(piece, 0, bytes) : NULL;
}

void *arena_array(Arena *a, size_t n, size_t size)
{
    if (size && n > SIZE_MAX / size) {
        error_no_memory(a->error, "out of memory: %zu pieces of %zu bytes asked for", n, size);
        return NULL;
    }
    return arena_alloc(a, n * size);
}

char *arena_text(Arena *a, const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = arena_alloc(a, n);
    return copy ? memcpy(copy, text, n) : NULL;
}

char *arena_format(Arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (text)
        vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}

ArenaMark arena_mark(const Arena *a)
{
    return (ArenaMark){ a->current, a->current ? a->current->at : 0, a->used };
}

void arena_release(Arena *a, ArenaMark m)
{
    a->current = m.chunk ? m.chunk : a->first;
    if (a->current)
        a->current->at = m.at;
    a->used = m.used;
}

void *arena_release_keeping(Arena *a, ArenaMark m, const void *data, size_t bytes)
{
    arena_release(a, m);
    void *moved = give(a, bytes);
    return moved ? memmove(moved, data, bytes) : NULL;
}

void arena_reset(Arena *a)
{
    arena_release(a, (ArenaMark){ NULL, 0, 0 });
}

/* The header of a's first chunk holds the pointer to the second arena. */
Arena *arena_scratch(Arena *a)
{
    ArenaChunk *c = a->first ? a->first : chunk_for(a, 1);
    if (c && !c->scratch && (c->scratch = malloc(sizeof *c->scratch)))
        *c->scratch = arena_make(a->error);
    if (!c || !c->scratch) {
        error_no_memory(a->error, "no memory for a scratch arena");
        return NULL;
    }
    c->scratch->error = a->error;
    c->scratch->limit = a->limit > a->used ? a->limit - a->used : a->limit ? 1 : 0;      // 1: no room is left; 0: no limit
    return c->scratch;
}

void arena_scratch_end(Arena *a)
{
    Arena *scratch = a->first->scratch;
    if (a->used + scratch->peak > a->peak)
        a->peak = a->used + scratch->peak;
    arena_reset(scratch);
    scratch->peak = 0;
}

void arena_free(Arena *a)
{
    for (ArenaChunk *c = a->first, *next; c; c = next) {
        next = c->next;
        if (c->scratch)
            arena_free(c->scratch);
        free(c->scratch);
        atomic_fetch_sub(&reserved, c->size);
        free(c->base);
        free(c);
    }
    *a = (Arena){ .error = a->error, .limit = a->limit };
}
