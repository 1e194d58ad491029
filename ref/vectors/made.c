/* SPDX-License-Identifier: MIT */
#include "ref/vectors/made.h"

#include <string.h>
#include "model/image/container.h"
#include "model/image/image.h"

Made made_make(size_t capacity, Arena *a)
{
    Made m = { .capacity = capacity, .arena = a };
    m.at = arena_alloc(a, capacity);
    return m;
}

void made_bytes(Made *m, const void *bytes, size_t n)
{
    if (!m->at || m->n + n > m->capacity) {
        error_set(m->arena->error, "record: %zu bytes do not fit a made file of %zu", m->n + n, m->capacity);
        return;
    }
    if (n)
        memcpy(m->at + m->n, bytes, n);
    m->n += n;
}

void made_text(Made *m, const char *text)
{
    made_bytes(m, text, strlen(text));
}

void made_little(Made *m, uint64_t value, int bytes)
{
    for (int k = 0; k < bytes; k++)
        made_bytes(m, (uint8_t[]){ (uint8_t)(value >> 8 * k) }, 1);
}

void made_big(Made *m, uint64_t value, int bytes)
{
    for (int k = bytes; k-- > 0;)
        made_bytes(m, (uint8_t[]){ (uint8_t)(value >> 8 * k) }, 1);
}

static uint32_t adler32(const uint8_t *x, size_t n)
{
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < n; i++) {
        a = (a + x[i]) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

size_t png_row(const PngForm *f)
{
    static const size_t channels[7] = { 1, 0, 3, 1, 2, 0, 4 };
    return (f->width * channels[f->colour] * (size_t)f->depth + 7) / 8;
}

void png_chunk(Made *m, const char *kind, const void *data, size_t n)
{
    size_t begin = m->n + 4;
    made_big(m, n, 4);
    made_bytes(m, kind, 4);
    made_bytes(m, data, n);
    if (m->n == begin + 4 + n)
        made_big(m, container_crc32(m->at + begin, n + 4), 4);
}

void png_begin(Made *m, const PngForm *f)
{
    Made header = made_make(13, m->arena);
    made_big(&header, f->width, 4);
    made_big(&header, f->height, 4);
    made_bytes(&header, (uint8_t[]){ (uint8_t)f->depth, (uint8_t)f->colour, 0, 0, 0 }, 5);
    made_bytes(m, "\x89PNG\r\n\x1a\n", 8);
    png_chunk(m, "IHDR", header.at, header.n);
}

void png_rows(Made *m, const PngForm *f, const uint8_t *rows)
{
    size_t row = png_row(f), n = f->height * (row + 1);
    Made raw = made_make(n, m->arena), z = made_make(n + n / 65535 * 5 + 16, m->arena);
    for (size_t y = 0; y < f->height; y++) {
        made_bytes(&raw, (uint8_t[]){ (uint8_t)f->filter }, 1);
        made_bytes(&raw, rows + y * row, row);
    }
    made_bytes(&z, "\x78\x01", 2);
    for (size_t at = 0, piece; at < n; at += piece) {
        piece = n - at < 65535 ? n - at : 65535;
        made_bytes(&z, (uint8_t[]){ at + piece == n }, 1);
        made_little(&z, piece, 2);
        made_little(&z, ~piece, 2);
        made_bytes(&z, raw.at + at, piece);
    }
    made_big(&z, adler32(raw.at, raw.n), 4);
    png_chunk(m, "IDAT", z.at, z.n);
}

void png_end(Made *m)
{
    png_chunk(m, "IEND", NULL, 0);
}
