/* SPDX-License-Identifier: MIT */
/* Made: a file that is put together byte by byte. So its bytes do not depend on the version of a library, and it can
 * be wrong in any way. The pictures of case_prep.h and the files of case_reject.h are made so. */
#ifndef PULSE_REF_VECTORS_MADE_H
#define PULSE_REF_VECTORS_MADE_H

#include <stdint.h>
#include "tensor/base/arena.h"

typedef struct {
    uint8_t *at;
    size_t n, capacity;
    Arena *arena;              // its Error is set when memory or `capacity` runs out; what does not fit is not added
} Made;

Made made_make(size_t capacity, Arena *a);
void made_bytes(Made *m, const void *bytes, size_t n);
void made_text(Made *m, const char *text);             // without the zero at its end
void made_big(Made *m, uint64_t value, int bytes);     // big-endian, as in PNG
void made_little(Made *m, uint64_t value, int bytes);

/* A PNG is made of its chunks: png_begin, further chunks by png_chunk, png_rows, png_end. Its pixels are stored, not
 * compressed. */
typedef struct {
    uint32_t width, height;
    int depth;                 // bits of a value
    int colour;                // 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha
    int filter;                // the kind of filter, the byte before each row; 0: no filter
} PngForm;
size_t png_row(const PngForm *f);                      // how many bytes a row has, without its filter byte
void   png_begin(Made *m, const PngForm *f);           // the signature and the chunk IHDR
void   png_chunk(Made *m, const char *kind, const void *data, size_t n);
void   png_rows(Made *m, const PngForm *f, const uint8_t *rows);         // the chunk IDAT; `rows` has no filter bytes
void   png_end(Made *m);

#endif
