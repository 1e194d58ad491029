/* SPDX-License-Identifier: MIT */
#include "model/image/image.h"

#include <limits.h>
#include <string.h>
#include <stb/stb_image.h>
#include <stb/stb_image_write.h>
#include "tensor/base/file.h"

enum { FILE_MAX = 1 << 28, GREY = 0, PALETTE = 3 };

static const uint8_t png_signature[8] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Four bits at a time. */
uint32_t image_crc32(const uint8_t *p, size_t n)
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

static bool size_check(size_t w, size_t h, const char *name, Error *e)
{
    if (w && h && w <= IMAGE_VALUES_MAX / 4 / h)
        return true;
    return error_set(e, "%s: the picture is %zu x %zu, expected at least 1 x 1 and at most %zu pixels", name, w, h,
                     IMAGE_VALUES_MAX / 4);
}

/* Every chunk whole and undamaged up to IEND; the header (width, height, depth, colour type) plausible. */
static bool png_check(const uint8_t *p, size_t n, const char *name, Error *e)
{
    if (n < 33 || big_endian(p + 8) != 13 || memcmp(p + 12, "IHDR", 4))
        return error_set(e, "%s: the PNG file is truncated or has no header", name);
    if (!size_check(big_endian(p + 16), big_endian(p + 20), name, e))
        return false;
    if (p[24] == 16 && p[25] == GREY)
        return error_set(e, "%s: 16-bit grey is not supported (Pillow's conversion clips it); convert it to 8 bits", name);
    for (size_t at = 8; ; ) {
        if (n - at < 12 || big_endian(p + at) > n - at - 12)
            return error_set(e, "%s: the PNG file is truncated at byte %zu", name, n);
        size_t length = big_endian(p + at);
        if (image_crc32(p + at + 4, length + 4) != big_endian(p + at + 8 + length))
            return error_set(e, "%s: a PNG chunk at byte %zu is damaged (its checksum differs)", name, at);
        if (!memcmp(p + at + 4, "IEND", 4))
            return true;
        at += length + 12;
    }
}

/* The tables of a DHT segment name at most 256 values each: stb_image 2.27 writes past its arrays otherwise. */
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

/* Past the entropy-coded bytes after `at`, in which ff is followed by 00 or a restart marker d0 … d7. */
static size_t scan_skip(const uint8_t *p, size_t n, size_t at)
{
    while (n - at >= 2 && (p[at] != 0xff || !p[at + 1] || p[at + 1] == 0xff || (p[at + 1] & 0xf8) == 0xd0))
        at++;
    return at;
}

/* Segment follows segment without gaps up to the end marker, so that the decoder sees the same ones as this check. */
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

static bool container_check(const uint8_t *p, size_t n, const char *name, Error *e)
{
    if (n > FILE_MAX)
        return error_set(e, "%s: %zu bytes, expected at most %d", name, n, FILE_MAX);
    if (n >= 8 && !memcmp(p, png_signature, 8))
        return png_check(p, n, name, e);
    if (n >= 3 && p[0] == 0xff && p[1] == 0xd8 && p[2] == 0xff)
        return jpeg_check(p, n, name, e);
    return error_set(e, "%s: not a picture we can read, expected PNG or JPEG", name);
}

/* stb_image leaves colours that a short palette does not name unset; Pillow has grey k in
 * place k, and so the palette is filled up to 256 colours (in a copy; stb does not read checksums). */
static const void *fill_palette(const uint8_t *p, size_t *n, Arena *a)
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

/* stb_image's bytes with `channels` a pixel, to be freed by it; NULL and a sentence on failure. */
static uint8_t *decode(const void *bytes, size_t n, int channels, const char *name, int *w, int *h, Arena *a, Error *e)
{
    int found = 0;
    if (!container_check(bytes, n, name, e))
        return NULL;
    if (!(bytes = fill_palette(bytes, &n, a))) {
        error_set(e, "%s: no memory for the picture", name);
        return NULL;
    }
    if (!stbi_info_from_memory(bytes, (int)n, w, h, &found)) {
        error_set(e, "%s: the picture's header cannot be read (%s)", name, stbi_failure_reason());
        return NULL;
    }
    if (!size_check((size_t)*w, (size_t)*h, name, e))
        return NULL;
    uint8_t *data = stbi_load_from_memory(bytes, (int)n, w, h, &found, channels);
    if (!data)
        error_set(e, "%s: the picture cannot be decoded (%s)", name, stbi_failure_reason());
    return data;
}

static void blacken(uint8_t *rgb, const uint8_t *rgba, size_t pixels)
{
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < 3; c++) {
            unsigned v = rgba[4 * i + c] * (unsigned)rgba[4 * i + 3] + 128;      // nearest of v/255, exact for 8 bits
            rgb[3 * i + c] = (uint8_t)((v + (v >> 8)) >> 8);
        }
}

static bool decode_into(Image *out, const void *bytes, size_t n, bool on_black, const char *name, Arena *a, Error *e)
{
    int w = 0, h = 0;
    ArenaMark mark = arena_mark(a);
    uint8_t *data = decode(bytes, n, on_black ? 4 : 3, name, &w, &h, a, e);
    arena_release(a, mark);
    if (!data)
        return false;
    size_t pixels = (size_t)w * (size_t)h;
    uint8_t *rgb = arena_array(a, pixels, 3);
    if (rgb && on_black)
        blacken(rgb, data, pixels);
    else if (rgb)
        memcpy(rgb, data, 3 * pixels);
    stbi_image_free(data);
    if (!rgb)
        return error_set(e, "%s: no memory for a %d x %d picture", name, w, h);
    *out = (Image){ (size_t)w, (size_t)h, rgb };
    return true;
}

bool image_decode(Image *out, const void *bytes, size_t n, const char *name, Arena *a, Error *e)
{
    return decode_into(out, bytes, n, false, name, a, e);
}

/* The file's bytes live in an arena of their own, gone when the pixels are there. */
static bool read_into(Image *out, const char *path, bool on_black, Arena *a, Error *e)
{
    Arena file = arena_make(e);
    size_t n = 0;
    char *bytes = file_read(path, FILE_MAX, &n, &file, e);
    bool ok = bytes && decode_into(out, bytes, n, on_black, path, a, e);
    arena_free(&file);
    return ok;
}

bool image_read(Image *out, const char *path, Arena *a, Error *e) { return read_into(out, path, false, a, e); }

bool image_read_on_black(Image *out, const char *path, Arena *a, Error *e) { return read_into(out, path, true, a, e); }

static bool image_make(Image *out, size_t width, size_t height, Arena *a, Error *e)
{
    if (!width || !height || width > IMAGE_VALUES_MAX / 3 / height)
        return error_set(e, "a %zu x %zu picture cannot be made, expected 1 to %zu values", width, height, IMAGE_VALUES_MAX);
    *out = (Image){ width, height, arena_array(a, width * height, 3) };
    return out->rgb || error_set(e, "no memory for a %zu x %zu picture", width, height);
}

bool image_pad(Image *out, const Image *in, const uint8_t colour[3], Arena *a, Error *e)
{
    size_t side = in->width > in->height ? in->width : in->height;
    size_t left = (side - in->width) / 2, top = (side - in->height) / 2;
    Image square;
    if (!image_make(&square, side, side, a, e))
        return false;
    for (size_t i = 0; i < 3 * side * side; i++)
        square.rgb[i] = colour[i % 3];
    for (size_t y = 0; y < in->height; y++)
        memcpy(square.rgb + 3 * ((top + y) * side + left), in->rgb + 3 * y * in->width, 3 * in->width);
    *out = square;
    return true;
}

bool image_crop(Image *out, const Image *in, size_t left, size_t top, size_t width, size_t height, Arena *a, Error *e)
{
    Image part;
    if (width > in->width || left > in->width - width || height > in->height || top > in->height - height)
        return error_set(e, "a crop of %zu x %zu does not fit a picture of %zu x %zu", width, height, in->width, in->height);
    if (!image_make(&part, width, height, a, e))
        return false;
    for (size_t y = 0; y < height; y++)
        memcpy(part.rgb + 3 * y * width, in->rgb + 3 * ((top + y) * in->width + left), 3 * width);
    *out = part;
    return true;
}

static void write_bytes(void *stream, void *data, int n) { fwrite(data, 1, (size_t)n, stream); }

bool image_print_png(FILE *f, const Image *in)
{
    return stbi_write_png_to_func(write_bytes, f, (int)in->width, (int)in->height, 3, in->rgb, 0) && !ferror(f);
}

bool image_write_png(const char *path, const Image *in, Error *e)
{
    FileWriter w;
    if (!in->width || !in->height || in->width > IMAGE_VALUES_MAX / 4 / in->height)
        return error_set(e, "%s: a picture of %zu x %zu cannot be written, expected 1 to %zu pixels", path, in->width, in->height,
                         IMAGE_VALUES_MAX / 4);
    if (!file_begin(&w, path, e))
        return false;
    if (!image_print_png(w.stream, in)) {
        file_drop(&w);
        return error_set(e, "%s: the picture cannot be written", path);
    }
    return file_finish(&w, e);
}
