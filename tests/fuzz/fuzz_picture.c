/* SPDX-License-Identifier: MIT */
/* Fuzz targets: pictures, their EXIF data, and pools of pictures. */
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include "model/image/container.h"
#include "model/image/decode.h"
#include "model/image/image.h"
#include "model/image/orientation.h"
#include "model/image/resize.h"
#include "model/training/picture_cache.h"
#include "tensor/base/file.h"
#include "tensor/store.h"
#include "tests/support/scratch.h"

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void big_endian_put(uint8_t *p, uint32_t x)
{
    for (int k = 0; k < 4; k++)
        p[k] = (uint8_t)(x >> (24 - 8 * k));
}

/* A copy of the input in which every complete PNG chunk has the right checksum. */
static uint8_t *repaired(const Input *in)
{
    uint8_t *p = arena_alloc(in->arena, in->size + 1);
    if (p && in->size)
        memcpy(p, in->data, in->size);
    for (size_t at = 8; p && in->size >= 12 && p[0] == 0x89 && at <= in->size - 12
                        && big_endian(p + at) <= in->size - at - 12;) {
        const size_t length = big_endian(p + at);
        big_endian_put(p + at + 8 + length, container_crc32(p + at + 4, length + 4));
        at += length + 12;
    }
    return p;
}

static bool parse_picture(const Input *in)
{
    Image picture, small;
    const uint8_t *bytes = repaired(in);
    if (!bytes || !image_decode(&picture, bytes, in->size, "picture.png", in->arena, in->error))
        return false;
    Error later = { 0 };
    if (picture.width <= 256 && picture.height <= 256)
        image_resize(&small, &picture, 5, 7, IMAGE_BICUBIC, in->arena, &later);
    return true;
}

static Image small_picture(Arena *a)
{
    uint8_t *rgb = arena_zalloc(a, 3 * 9 * 7);
    for (size_t i = 0; rgb && i < 3 * 9 * 7; i++)
        rgb[i] = (uint8_t)(i * 37);
    return (Image){ .width = 9, .height = 7, .rgb = rgb };
}

static void seed_picture(const char *folder, Arena *a, Error *e)
{
    const Image picture = small_picture(a);
    image_write_png(arena_format(a, "%s/picture.png", folder), &picture, e);
}

const Parser parser_picture = { "picture", parse_picture, seed_picture };

/* The input is the EXIF data alone, of which 60,000 bytes are read at most. A PNG gets it as a chunk and a JPEG as a
 * segment; the orientation must be the same in both, 1 to 8. */
static bool parse_exif(const Input *in)
{
    static const uint8_t end[12] = { 0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82 }, eoi[2] = { 0xff, 0xd9 };
    const size_t n = in->size < 60000 ? in->size : 60000;
    uint8_t *p = arena_zalloc(in->arena, n + 64);
    if (!p)
        return false;
    memcpy(p, "\x89PNG\r\n\x1a\n", 8);
    big_endian_put(p + 8, (uint32_t)n);
    memcpy(p + 12, "eXIf", 4);
    memcpy(p + 16, in->data, n);
    memcpy(p + 20 + n, end, sizeof end);
    const unsigned png = orientation_of(p, n + 32);
    memcpy(p, "\xff\xd8\xff\xe1", 4);
    p[4] = (uint8_t)((n + 8) >> 8);
    p[5] = (uint8_t)(n + 8);
    memcpy(p + 6, "Exif\0", 6);
    memcpy(p + 12, in->data, n);
    memcpy(p + 12 + n, eoi, 2);
    const unsigned jpeg = orientation_of(p, n + 14);
    Image picture = small_picture(in->arena);
    picture.orientation = png;
    if (png < 1 || png > 8 || png != jpeg)
        __builtin_trap();
    return orientation_apply(&picture, in->arena, in->error);
}

static void seed_exif(const char *folder, Arena *a, Error *e)
{
    static const char little[] = "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    static const char big[] = "MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0";
    fuzz_seed(folder, "little", little, sizeof little - 1, a, e);
    fuzz_seed(folder, "big", big, sizeof big - 1, a, e);
}

const Parser parser_exif = { "exif", parse_exif, seed_exif };

/* Reads all pixels of row 0 of the pool. If row 0 is there, asks for row 1, too, and reads its last byte. The input is
 * accepted if row 0 is there. */
static bool parse_pool(const Input *in)
{
    fuzz_file(in, "pool.safetensors");
    PictureCache *p = picture_cache_make(arena_text(in->arena, scratch(".")), 4, in->arena);
    Image out;
    unsigned sum = 0;
    bool good = p && picture_cache_add(p, "pool.safetensors#0", in->arena, in->error)
             && picture_cache_get(p, "pool.safetensors#0", &out, in->arena, in->error);
    for (size_t k = 0; good && k < 3 * out.width * out.height; k++)
        sum += out.rgb[k];
    Error later = { 0 };
    if (good && picture_cache_add(p, "pool.safetensors#1", in->arena, &later)
        && picture_cache_get(p, "pool.safetensors#1", &out, in->arena, &later))
        sum += out.rgb[3 * out.width * out.height - 1];
    picture_cache_close(p);
    return good || (sum && false);
}

static void seed_pool(const char *folder, Arena *a, Error *e)
{
    uint8_t *bytes = arena_zalloc(a, 2 * 3 * 4 * 3);
    const Entry one = { "images", { .shape = shape_of(4, (size_t)2, (size_t)3, (size_t)4, (size_t)3), .dtype = U8, .u8 = bytes } };
    store_write(arena_format(a, "%s/pool.safetensors", folder), &one, 1, e);
}

const Parser parser_pool = { "pool", parse_pool, seed_pool };
