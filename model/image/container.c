/* SPDX-License-Identifier: MIT */
#include "model/image/container.h"

#include <string.h>
#include "model/image/image.h"

enum { GREY = 0, PALETTE = 3 };

static const uint8_t png_signature[8] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The table has one entry for each value of four bits, so each byte takes two look-ups. */
uint32_t container_crc32(const uint8_t *p, size_t n)
{
    uint32_t table[16], crc = 0xffffffffu;
    for (uint32_t k = 0; k < 16; k++) {
        table[k] = k;
        for (int bit = 0; bit < 4; bit++)
            table[k] = table[k] >> 1 ^ (table[k] & 1 ? 0xedb88320u : 0);
    }
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

bool container_size_check(size_t w, size_t h, const char *name, Error *e)
{
    if (w && h && w <= IMAGE_VALUES_MAX / 4 / h)
        return true;
    return error_set(e, "%s: the picture is %zu x %zu, expected at least 1 x 1 and at most %zu pixels", name, w, h,
                     IMAGE_VALUES_MAX / 4);
}

/* Checks that the size is allowed, that the picture is not 16-bit grey, and that every chunk up to IEND is whole and
 * has the right checksum. A PNG begins with 8 bytes of signature and the IHDR chunk up to byte 33: the width is at byte
 * 16, the height at 20, the bits of a sample at 24, the colour type at 25. */
static bool png_check(const uint8_t *p, size_t n, const char *name, Error *e)
{
    if (n < 33 || big_endian(p + 8) != 13 || memcmp(p + 12, "IHDR", 4))
        return error_set(e, "%s: the PNG file is truncated or has no header", name);
    if (!container_size_check(big_endian(p + 16), big_endian(p + 20), name, e))
        return false;
    if (p[24] == 16 && p[25] == GREY)
        return error_set(e, "%s: 16-bit grey is not supported (Pillow's conversion clips it); convert it to 8 bits",
                         name);
    for (size_t at = 8; ; ) {
        if (n - at < 12 || big_endian(p + at) > n - at - 12)
            return error_set(e, "%s: the PNG file is truncated at byte %zu", name, n);
        size_t length = big_endian(p + at);
        if (container_crc32(p + at + 4, length + 4) != big_endian(p + at + 8 + length))
            return error_set(e, "%s: a PNG chunk at byte %zu is damaged (its checksum differs)", name, at);
        if (!memcmp(p + at + 4, "IEND", 4))
            return true;
        at += length + 12;
    }
}

/* Each table of a DHT segment may have at most 256 values. With more, stb_image 2.27 writes past its arrays. A table is
 * its number (one byte), 16 counts, and as many values as the counts add up to. */
static bool huffman_check(const uint8_t *p, size_t n)
{
    while (n >= 17) {
        size_t values = 0;
        for (size_t k = 1; k <= 16; k++)
            values += p[k];
        if (values > 256 || values > n - 17)
            return false;
        p += 17 + values;
        n -= 17 + values;
    }
    return n == 0;
}

/* The index of the first byte after the entropy-coded bytes that begin at `at`. In these bytes, ff is
 * followed by 00 or by a restart marker, d0 to d7. */
static size_t scan_skip(const uint8_t *p, size_t n, size_t at)
{
    while (n - at >= 2 && (p[at] != 0xff || !p[at + 1] || p[at + 1] == 0xff || (p[at + 1] & 0xf8) == 0xd0))
        at++;
    return at;
}

/* The segments must follow each other without gaps up to the end marker, so that the decoder sees the same segments as
 * this check. */
static bool jpeg_check(const uint8_t *p, size_t n, const char *name, Error *e)
{
    for (size_t at = 2; n - at >= 2; ) {
        if (p[at] != 0xff)
            return error_set(e, "%s: the JPEG file is damaged at byte %zu (a marker was expected)", name, at);
        uint8_t marker = p[at + 1];
        if (marker == 0xd9)
            return true;
        at += marker == 0xff ? 1 : 2;
        if (marker == 0xff)
            continue;
        size_t length = n - at >= 2 ? (size_t)p[at] << 8 | p[at + 1] : 0;
        if (length > n - at || n - at < 2)
            break;
        if (length < 2 || (marker == 0xc4 && !huffman_check(p + at + 2, length - 2)))
            return error_set(e, "%s: the JPEG file is damaged at byte %zu (in segment ff%02x)", name, at, marker);
        at = marker == 0xda ? scan_skip(p, n, at + length) : at + length;
    }
    return error_set(e, "%s: the JPEG file is truncated (it has no end)", name);
}

bool container_check(const uint8_t *p, size_t n, const char *name, Error *e)
{
    if (n > CONTAINER_BYTES_MAX)
        return error_set(e, "%s: has %zu bytes, expected at most %d", name, n, CONTAINER_BYTES_MAX);
    if (n >= 8 && !memcmp(p, png_signature, 8))
        return png_check(p, n, name, e);
    if (n >= 3 && p[0] == 0xff && p[1] == 0xd8 && p[2] == 0xff)
        return jpeg_check(p, n, name, e);
    return error_set(e, "%s: not a picture we can read, expected PNG or JPEG", name);
}

/* A short palette lacks colours. stb_image leaves these unset, while Pillow takes the grey k for colour k. So a
 * copy of the file gets the missing colours. The checksum of its palette is then wrong, but stb_image does not read
 * checksums. */
const void *container_fill_palette(const uint8_t *p, size_t *n, Arena *a)
{
    size_t at = 8;
    if (*n < 33 || memcmp(p, png_signature, 8) || p[25] != PALETTE)
        return p;
    while (memcmp(p + at + 4, "PLTE", 4)) {
        if (!memcmp(p + at + 4, "IEND", 4))
            return p;
        at += big_endian(p + at) + 12;
    }
    size_t end = at + 8 + big_endian(p + at), missing = end - at - 8 < 768 ? 768 - (end - at - 8) : 0;
    uint8_t *copy = arena_zalloc(a, *n + missing);
    if (!copy)
        return NULL;
    memcpy(copy, p, end);
    memcpy(copy + at, (uint8_t[4]){ 0, 0, 3, 0 }, 4);
    for (size_t k = 768 - missing; k < 768; k++)
        copy[at + 8 + k] = (uint8_t)(k / 3);
    memcpy(copy + end + missing, p + end, *n - end);
    *n += missing;
    return copy;
}
