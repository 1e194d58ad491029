/* SPDX-License-Identifier: MIT */
/* Made: files put together byte by byte, of any kind, and wrong in any way: the vectors' pictures (prep_case.h) and the files that
 * readers must refuse (reject_case.h), so that no library's version decides their bytes. */
#ifndef PULSE_REF_VECTORS_MADE_H
#define PULSE_REF_VECTORS_MADE_H

#include <stdint.h>
#include "tensor/base/arena.h"

typedef struct {
    uint8_t *at;
    size_t n, room;
    Arena *arena;              // `failed` in its Error when memory ran out: then nothing is added
} Made;

Made made_make(size_t room, Arena *a);
void made_bytes(Made *m, const void *bytes, size_t n);
void made_text(Made *m, const char *text);             // without its zero
void made_big(Made *m, uint64_t value, int bytes);     // big-endian, as PNG has it
void made_little(Made *m, uint64_t value, int bytes);

/* A PNG from its chunks; pixels are stored, not compressed. */
typedef struct {
    uint32_t width, height;
    int depth, colour;         // bits a value; 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha
    int filter;                // the byte before each row; 0: none
} PngForm;
size_t png_row(const PngForm *f);                      // bytes of a row
void   png_begin(Made *m, const PngForm *f);           // signature and IHDR
void   png_chunk(Made *m, const char *kind, const void *data, size_t n);
void   png_rows(Made *m, const PngForm *f, const uint8_t *rows);         // IDAT; each row without its filter byte
void   png_end(Made *m);

#endif
