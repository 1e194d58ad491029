/* SPDX-License-Identifier: MIT */
#include "model/image/orientation.h"

#include <string.h>

enum { ORIENTATION_TAG = 0x0112, SHORT = 3, LONG = 4, ENTRY = 12 };

/* The integer of `count` bytes at p, in the byte order of the EXIF data. */
static uint32_t number(const uint8_t *p, size_t count, bool little)
{
    uint32_t value = 0;
    for (size_t k = 0; k < count; k++)
        value = value << 8 | p[little ? count - 1 - k : k];
    return value;
}

static uint32_t big_endian(const uint8_t *p) { return number(p, 4, false); }

/* The value of an entry of the directory, if it is a single valid orientation; otherwise 1. */
static unsigned entry_value(const uint8_t *entry, bool little)
{
    uint32_t type = number(entry + 2, 2, little), count = number(entry + 4, 4, little);
    if ((type != SHORT && type != LONG) || count != 1)
        return 1;
    uint32_t value = number(entry + 8, type == SHORT ? 2 : 4, little);
    return value >= 1 && value <= 8 ? value : 1;
}

/* The orientation in the first directory of n bytes of TIFF data. The data begin with "II" or "MM", 42 and the
 * directory's offset; the directory begins with the number of its entries. */
static unsigned tiff_orientation(const uint8_t *p, size_t n)
{
    if (n < 8 || (memcmp(p, "II", 2) && memcmp(p, "MM", 2)))
        return 1;
    const bool little = p[0] == 'I';
    const size_t at = number(p + 4, 4, little);
    if (number(p + 2, 2, little) != 42 || at > n || n - at < 2)
        return 1;
    const size_t stated = number(p + at, 2, little), room = (n - at - 2) / ENTRY, entries = stated < room ? stated : room;
    for (size_t k = 0; k < entries; k++) {
        const uint8_t *entry = p + at + 2 + k * ENTRY;
        if (number(entry, 2, little) == ORIENTATION_TAG)
            return entry_value(entry, little);
    }
    return 1;
}

static unsigned png_orientation(const uint8_t *p, size_t n)
{
    for (size_t at = 8; n - at >= 12 && big_endian(p + at) <= n - at - 12; at += big_endian(p + at) + 12) {
        if (!memcmp(p + at + 4, "eXIf", 4))
            return tiff_orientation(p + at + 8, big_endian(p + at));
        if (!memcmp(p + at + 4, "IEND", 4))
            break;
    }
    return 1;
}

static unsigned jpeg_orientation(const uint8_t *p, size_t n)
{
    for (size_t at = 2; n - at >= 4 && p[at] == 0xff; ) {
        const uint8_t marker = p[at + 1];
        if (marker == 0xff) {
            at++;
            continue;
        }
        const size_t length = (size_t)p[at + 2] << 8 | p[at + 3];
        if (marker == 0xda || marker == 0xd9 || length < 2 || length > n - at - 2)
            break;
        if (marker == 0xe1 && length >= 8 && !memcmp(p + at + 4, "Exif\0", 6))
            return tiff_orientation(p + at + 10, length - 8);
        at += 2 + length;
    }
    return 1;
}

unsigned orientation_of(const uint8_t *p, size_t n)
{
    if (n < 8)
        return 1;
    return p[0] == 0xff ? jpeg_orientation(p, n) : png_orientation(p, n);
}

bool orientation_apply(Image *picture, Arena *a, Error *e)
{
    const unsigned o = picture->orientation;
    const size_t w = picture->width, h = picture->height;
    if (o < 2)
        return true;
    const bool transposed = o >= 5;
    const bool right_to_left = o == 2 || o == 3 || o == 7 || o == 8, bottom_up = o == 3 || o == 4 || o == 6 || o == 7;
    Image out = { transposed ? h : w, transposed ? w : h, arena_array(a, w * h, IMAGE_CHANNELS), 1 };
    if (!out.rgb)
        return error_no_memory(e, "no memory to turn a %zu x %zu picture", w, h);
    for (size_t y = 0; y < out.height; y++)
        for (size_t x = 0; x < out.width; x++) {
            const size_t column = transposed ? y : x, row = transposed ? x : y;
            const size_t from = (bottom_up ? h - 1 - row : row) * w + (right_to_left ? w - 1 - column : column);
            memcpy(out.rgb + 3 * (y * out.width + x), picture->rgb + 3 * from, 3);
        }
    *picture = out;
    return true;
}
