/* SPDX-License-Identifier: MIT */
/* The EXIF orientation tag of JPEG and PNG files, and the turns that it asks for, against Pillow. */
#include "tests/support/stand.h"

#include <stdlib.h>
#include <string.h>
#include "model/image/container.h"
#include "model/image/decode.h"
#include "model/image/orientation.h"
#include "tensor/base/file.h"

enum { SEGMENT = 36, TIFF = 10 };       // bytes of the APP1 segment below, and where its TIFF data begin

/* An APP1 segment whose only entry is the orientation, in either byte order. */
static void segment(uint8_t out[SEGMENT], unsigned orientation, bool little)
{
    static const uint8_t big[] = "\xff\xe1\0\x22" "Exif\0\0" "MM\0\x2a\0\0\0\x08" "\0\x01" "\x01\x12\0\x03\0\0\0\x01\0\0\0\0" "\0\0\0";
    static const uint8_t small[] = "\xff\xe1\0\x22" "Exif\0\0" "II\x2a\0\x08\0\0\0" "\x01\0" "\x12\x01\x03\0\x01\0\0\0\0\0\0\0" "\0\0\0";
    memcpy(out, little ? small : big, SEGMENT);
    out[TIFF + 18 + !little] = (uint8_t)orientation;
}

/* The shipped JPEG with a segment after its first marker. */
static uint8_t *with_segment(const uint8_t *added, size_t n_added, size_t *n)
{
    const uint8_t *p = (const uint8_t *)file_read("fixtures/pillow/baseline.jpg", 1 << 20, n, &arena, &error);
    assert_non_null(p);
    uint8_t *out = arena_alloc(&arena, *n + n_added);
    memcpy(out, p, 2);
    memcpy(out + 2, added, n_added);
    memcpy(out + 2 + n_added, p + 2, *n - 2);
    *n += n_added;
    return out;
}

/* The shipped PNG with an eXIf chunk after its header. */
static uint8_t *with_chunk(const uint8_t *tiff, size_t n_tiff, size_t *n)
{
    enum { HEADER = 33 };
    const uint8_t *p = (const uint8_t *)file_read("fixtures/pillow/rgb8.png", 1 << 20, n, &arena, &error);
    assert_non_null(p);
    uint8_t *out = arena_zalloc(&arena, *n + n_tiff + 12), *chunk = out + HEADER;
    memcpy(out, p, HEADER);
    chunk[3] = (uint8_t)n_tiff;
    memcpy(chunk + 4, "eXIf", 4);
    memcpy(chunk + 8, tiff, n_tiff);
    const uint32_t crc = container_crc32(chunk + 4, n_tiff + 4);
    for (size_t k = 0; k < 4; k++)
        chunk[8 + n_tiff + k] = (uint8_t)(crc >> (24 - 8 * k));
    memcpy(chunk + 12 + n_tiff, p + HEADER, *n - HEADER);
    *n += n_tiff + 12;
    return out;
}

static void each_orientation_of_a_jpeg_and_a_png_is_found_in_both_byte_orders(void **state)
{
    (void)state;
    for (unsigned o = 0; o <= 9; o++)
        for (int little = 0; little < 2; little++) {
            uint8_t added[SEGMENT];
            Image jpeg, png;
            size_t n, m;
            segment(added, o, little);
            const uint8_t *p = with_segment(added, SEGMENT, &n), *q = with_chunk(added + TIFF, SEGMENT - TIFF, &m);
            assert_true(image_decode(&jpeg, p, n, "a.jpg", &arena, &error)
                        && image_decode(&png, q, m, "a.png", &arena, &error));
            assert_int_equal(jpeg.orientation, o >= 1 && o <= 8 ? o : 1);
            assert_int_equal(png.orientation, o >= 1 && o <= 8 ? o : 1);
        }
}

/* The pixels of the file are the same with and without the tag. */
static void a_tag_does_not_change_the_pixels_that_are_decoded(void **state)
{
    (void)state;
    uint8_t added[SEGMENT];
    Image plain, tagged;
    size_t n;
    segment(added, 6, true);
    const uint8_t *p = with_segment(added, SEGMENT, &n);
    assert_true(image_read(&plain, "fixtures/pillow/baseline.jpg", &arena, &error)
                && image_decode(&tagged, p, n, "a.jpg", &arena, &error));
    assert_int_equal(plain.orientation, 1);
    assert_true(plain.width == tagged.width && plain.height == tagged.height);
    assert_memory_equal(plain.rgb, tagged.rgb, 3 * plain.width * plain.height);
}

/* A picture with the rows abc and def is turned. The expected rows are those of Pillow's exif_transpose. */
static void each_orientation_turns_a_picture_as_pillow_does(void **state)
{
    (void)state;
    static const struct { size_t width; const char *pixels; } turned[] = {
        { 3, "abcdef" }, { 3, "abcdef" }, { 3, "cbafed" }, { 3, "fedcba" }, { 3, "defabc" },
        { 2, "adbecf" }, { 2, "daebfc" }, { 2, "fcebda" }, { 2, "cfbead" },
    };
    for (unsigned o = 0; o <= 8; o++) {
        uint8_t rgb[18];
        for (size_t i = 0; i < 18; i++)
            rgb[i] = (uint8_t)("abcdef"[i / 3] + 32 * (i % 3));
        Image x = { 3, 2, rgb, o };
        assert_true(orientation_apply(&x, &arena, &error));
        assert_true(x.width == turned[o].width && x.height == 6 / turned[o].width && x.orientation <= 1);
        for (size_t i = 0; i < 18; i++)
            assert_int_equal(x.rgb[i], turned[o].pixels[i / 3] + 32 * (i % 3));
    }
}

/* Any byte of the EXIF data may be wrong, and they may end anywhere: the picture is read, and its orientation is
 * one of 1 to 8. The file is also cut off after the segment, in memory of exactly that size, so that a sanitizer
 * notices a read beyond its end. */
static void damaged_exif_data_do_no_harm(void **state)
{
    (void)state;
    Image x;
    size_t n;
    uint8_t added[SEGMENT];
    for (int little = 0; little < 2; little++)
        for (size_t at = 4; at < SEGMENT; at++)
            for (unsigned byte = 0; byte < 256; byte += 17) {
                segment(added, 6, little);
                added[at] = (uint8_t)byte;
                const uint8_t *p = with_segment(added, SEGMENT, &n);
                assert_true(image_decode(&x, p, n, "a.jpg", &arena, &error));
                assert_in_range(x.orientation, 1, 8);
                arena_reset(&arena);
            }
    for (size_t length = 2; length < SEGMENT - 2; length++) {
        segment(added, 6, false);
        added[3] = (uint8_t)length;
        const uint8_t *p = with_segment(added, 2 + length, &n);
        assert_true(image_decode(&x, p, n, "a.jpg", &arena, &error));
        assert_int_equal(x.orientation, 2 + length < TIFF + 22 ? 1 : 6);
        uint8_t *exact = malloc(4 + length);
        assert_non_null(exact);
        memcpy(exact, p, 4 + length);
        assert_int_equal(orientation_of(exact, 4 + length), x.orientation);
        free(exact);
        const uint8_t *q = with_chunk(added + TIFF, 2 + length < TIFF ? 0 : 2 + length - TIFF, &n);
        assert_true(image_decode(&x, q, n, "a.png", &arena, &error));
        assert_int_equal(x.orientation, 2 + length < TIFF + 22 ? 1 : 6);
    }
}

static void an_offset_or_a_number_of_entries_outside_the_data_is_no_tag(void **state)
{
    (void)state;
    static const struct { size_t at; uint8_t bytes[4]; size_t n; unsigned found; } damage[] = {
        { TIFF + 4, { 0xff, 0xff, 0xff, 0xff }, 4, 1 }, { TIFF + 4, { 0, 0, 0, 25 }, 4, 1 },
        { TIFF + 4, { 0, 0, 0, 26 }, 4, 1 },
        { TIFF + 8, { 0xff, 0xff }, 2, 6 },   { TIFF + 8, { 0, 0 }, 2, 1 },                   // 65535 entries instead of one; no entry
        { TIFF + 12, { 0, 2 }, 2, 1 },        { TIFF + 14, { 0, 0, 0, 2 }, 4, 1 },             // a text instead of a number; two numbers
        { TIFF, { 'I', 'M' }, 2, 1 },         { TIFF + 2, { 0, 43 }, 2, 1 },
    };
    for (size_t k = 0; k < sizeof damage / sizeof *damage; k++) {
        uint8_t added[SEGMENT];
        Image x;
        size_t n;
        segment(added, 6, false);
        memcpy(added + damage[k].at, damage[k].bytes, damage[k].n);
        const uint8_t *p = with_segment(added, SEGMENT, &n);
        assert_true(image_decode(&x, p, n, "a.jpg", &arena, &error));
        assert_int_equal(x.orientation, damage[k].found);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(each_orientation_of_a_jpeg_and_a_png_is_found_in_both_byte_orders),
        stand_test(a_tag_does_not_change_the_pixels_that_are_decoded), stand_test(each_orientation_turns_a_picture_as_pillow_does),
        stand_test(damaged_exif_data_do_no_harm), stand_test(an_offset_or_a_number_of_entries_outside_the_data_is_no_tag),
    };
    return cmocka_run_group_tests_name("orientation", tests, NULL, NULL);
}
