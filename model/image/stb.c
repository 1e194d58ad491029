/* SPDX-License-Identifier: MIT */
/* The only file that compiles stb_image and stb_image_write: PNG and JPEG from memory, in plain C.
 * The size of one allocation is limited, so that a few compressed bytes cannot inflate without end. */
#include "model/image/stb.h"

#include <stdlib.h>

_Thread_local size_t stb_bytes_most = STB_BYTES_MAX;
_Thread_local bool stb_limit_reached;

static void *stb_realloc(void *p, size_t n)
{
    stb_limit_reached |= n > stb_bytes_most;
    return n > stb_bytes_most ? NULL : realloc(p, n);
}

#define STBI_MALLOC(n)     stb_realloc(NULL, n)
#define STBI_REALLOC(p, n) stb_realloc(p, n)
#define STBI_FREE(p)       free(p)
#define STBI_NO_SIMD
#define STBI_NO_STDIO
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>

/* A list of all pieces of memory that stb_image_write holds, so that they can be freed after longjmp. Each piece begins
 * with its links. */
typedef struct Piece Piece;
struct Piece { Piece *before, *after; };
enum { PIECE_HEADER = 32 };                                            // the data after it is aligned as by malloc

static _Thread_local jmp_buf no_memory;
static _Thread_local Piece held;                                       // the list's head; held.before: the last piece

static void piece_unlink(Piece *x)
{
    x->before->after = x->after;
    *(x->after ? &x->after->before : &held.before) = x->before;
}

static void piece_link(Piece *x)
{
    *x = (Piece){ held.before ? held.before : &held, NULL };
    x->before->after = held.before = x;
}

static void writer_free(void *p)
{
    if (!p)
        return;
    Piece *x = (Piece *)((char *)p - PIECE_HEADER);
    piece_unlink(x);
    free(x);
}

static void *writer_realloc(void *p, size_t n)
{
    Piece *x = p ? (Piece *)((char *)p - PIECE_HEADER) : NULL;
    if (x)
        piece_unlink(x);
    Piece *y = n > STB_BYTES_MAX ? NULL : realloc(x, n + PIECE_HEADER);
    if (!y && x)
        piece_link(x);
    if (!y)
        longjmp(no_memory, 1);
    piece_link(y);
    return (char *)y + PIECE_HEADER;
}

#define STBIW_MALLOC(n)     writer_realloc(NULL, n)
#define STBIW_REALLOC(p, n) writer_realloc(p, n)
#define STBIW_FREE(p)       writer_free(p)
#define STBIW_ASSERT(x)     ((void)(x))
#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>

bool stb_write_png(void (*write)(void *context, void *data, int n), void *context, int width, int height,
                   const void *rgb)
{
    held = (Piece){ NULL, NULL };
    if (setjmp(no_memory)) {
        while (held.before && held.before != &held)
            writer_free((char *)held.before + PIECE_HEADER);
        return false;
    }
    return stbi_write_png_to_func(write, context, width, height, 3, rgb, 0) != 0;
}
