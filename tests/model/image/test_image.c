/* SPDX-License-Identifier: MIT */
/* Pictures: reading, resizing, padding, cropping and writing are compared with the bytes of Pillow, and bad files are
 * refused. */
#include "tests/support/stand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "model/image/container.h"
#include "model/image/decode.h"
#include "model/image/processor.h"
#include "tensor/base/file.h"
#include "tensor/base/float.h"
#include "tensor/base/hash.h"
#include "tests/support/scratch.h"

/* The picture that fixtures/pillow/make.py draws: the bytes of splitmix64, or with two levels 255 times the last
 * bit of each. */
static Image noise(uint64_t seed, size_t w, size_t h, int levels)
{
    Image x = { .width = w, .height = h, .rgb = arena_array(&arena, w * h, 3) };
    for (size_t i = 0; i < 3 * w * h; i++) {
        uint8_t b = (uint8_t)check_random(&seed);
        x.rgb[i] = levels == 256 ? b : (uint8_t)(255 * (b & 1));
    }
    return x;
}

/* The bytes in hexadecimal, or their SHA-256 if there are more than 48 of them. */
static const char *hex_or_digest(const uint8_t *bytes, size_t n)
{
    static char hex[128];
    if (n > 48)
        return strcpy(hex, digest_bytes(bytes, n).hex);
    for (size_t i = 0; i < n; i++)
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    return hex;
}

/* The words of the next line of a fixture, after any comment lines; NULL at the end. */
static char **words(FILE *f, size_t count)
{
    static char line[512], *word[16];
    do if (!fgets(line, sizeof line, f))
        return NULL;
    while (*line == '#');
    for (size_t k = 0; k < count; k++)
        assert_non_null(word[k] = strtok(k ? NULL : line, " \n"));
    return word;
}

static void resizing_equals_pillow_to_the_bit(void **state)
{
    (void)state;
    FILE *f = fopen("fixtures/pillow/resize.txt", "r");
    size_t cases = 0;
    assert_non_null(f);
    for (char **w; (w = words(f, 8)); cases++) {
        size_t width = strtoul(w[2], NULL, 10), height = strtoul(w[3], NULL, 10);
        Image in = noise(strtoul(w[5], NULL, 10), strtoul(w[0], NULL, 10), strtoul(w[1], NULL, 10),
                         (int)strtoul(w[6], NULL, 10)), out;
        assert_true(image_resize(&out, &in, width, height, (ImageFilter)strtoul(w[4], NULL, 10), &arena, &error));
        if (strcmp(hex_or_digest(out.rgb, 3 * width * height), w[7]))
            fail_msg("%s x %s to %s x %s, filter %s, seed %s: %s, Pillow has %s", w[0], w[1], w[2], w[3], w[4], w[5],
                     hex_or_digest(out.rgb, 3 * width * height), w[7]);
        arena_reset(&arena);
    }
    fclose(f);
    assert_int_equal(cases, 255);
}

static void every_kind_of_png_is_read_as_pillow_does(void **state)
{
    (void)state;
    FILE *f = fopen("fixtures/pillow/decode.txt", "r");
    assert_non_null(f);
    for (char **w; (w = words(f, 5)); ) {
        char path[128];
        Image x, black;
        snprintf(path, sizeof path, "fixtures/pillow/%s.png", w[0]);
        if (*w[3] == '-') {
            assert_false(image_read(&x, path, &arena, &error));
            expect_sentence(&error, path, "16-bit grey is not supported");
            continue;
        }
        assert_true(image_read(&x, path, &arena, &error) && image_read_on_black(&black, path, &arena, &error));
        assert_int_equal(x.width, strtoul(w[1], NULL, 10));
        assert_int_equal(x.height, strtoul(w[2], NULL, 10));
        if (strcmp(digest_bytes(x.rgb, 3 * x.width * x.height).hex, w[3])
            || strcmp(digest_bytes(black.rgb, 3 * x.width * x.height).hex, w[4]))
            fail_msg("%s: other bytes than Pillow's", path);
    }
    fclose(f);
}

static void jpeg_is_within_three_of_pillow_and_refused_when_truncated(void **state)
{
    (void)state;
    static const char *const paths[][2] = { { "fixtures/pillow/baseline.jpg", "fixtures/pillow/baseline.png" },
                                            { "fixtures/pillow/progressive.jpg", "fixtures/pillow/progressive.png" } };
    for (size_t k = 0; k < 2; k++) {
        Image x, y;
        size_t n;
        const char *bytes = file_read(paths[k][0], 1 << 20, &n, &arena, &error);
        assert_true(image_decode(&x, bytes, n, "a.jpg", &arena, &error) && image_read(&y, paths[k][1], &arena, &error));
        assert_true(x.width == 40 && x.height == 31 && y.width == 40 && y.height == 31);
        for (size_t i = 0; i < 3 * 40 * 31; i++)
            assert_in_range(x.rgb[i] + 3 - y.rgb[i], 0, 6);
        for (size_t cut = 3; cut < n; cut++) {
            assert_false(image_decode(&x, bytes, cut, "a.jpg", &arena, &error));
            expect_sentence(&error, "a.jpg: the JPEG file is truncated");
        }
    }
}

/* With such a table, stb_image 2.27 would write past the end of its own tables. */
static void a_huffman_table_of_too_many_values_is_refused(void **state)
{
    (void)state;
    size_t n, at = 2;
    Image x;
    uint8_t *p = (uint8_t *)file_read("fixtures/pillow/baseline.jpg", 1 << 20, &n, &arena, &error);
    while (p[at] != 0xff || p[at + 1] != 0xc4)
        at++;
    memset(p + at + 5, 255, 16);
    assert_false(image_decode(&x, p, n, "a.jpg", &arena, &error));
    expect_sentence(&error, "a.jpg: the JPEG file is damaged", "segment ffc4");
}

static Digest digest_floats(const float *x, size_t n)
{
    uint8_t *bytes = arena_array(&arena, n, 4);
    for (size_t i = 0; i < 4 * n; i++)
        bytes[i] = (uint8_t)(float_bits(x[i / 4]) >> 8 * (i % 4));
    return digest_bytes(bytes, 4 * n);
}

static void prepared_pictures_have_the_bits_of_the_processors(void **state)
{
    (void)state;
    FILE *f = fopen("fixtures/pillow/prepare.txt", "r");
    assert_non_null(f);
    for (char **w; (w = words(f, 7)); ) {
        size_t width = strtoul(w[0], NULL, 10), height = strtoul(w[1], NULL, 10), side = strtoul(w[2], NULL, 10);
        ImageProcessor s = image_processor(side);
        s.pad = *w[3] == '1';
        s.fused = *w[4] == '1';
        Image in = noise(strtoul(w[5], NULL, 10), width, height, 256);
        float *out = arena_array(&arena, 3 * (side ? side * side : 256), sizeof *out);
        for (size_t i = 0; !side && i < 768; i++)
            in.rgb[i] = (uint8_t)(i / 3);
        if (side)
            assert_true(image_preprocess(out, &in, &s, &arena, &error));
        else
            image_normalise(out, &in, &s);
        if (strcmp(digest_floats(out, 3 * (side ? side * side : 256)).hex, w[6]))
            fail_msg("%s x %s to %s, pad %s, fused %s: other floats than the processor's", w[0], w[1], w[2], w[3],
                     w[4]);
        arena_reset(&arena);
    }
    fclose(f);
}

static void a_written_png_reads_back_and_has_the_same_bytes_each_time(void **state)
{
    (void)state;
    static const size_t sizes[][2] = { { 1, 1 }, { 32, 32 }, { 3, 200 }, { 257, 5 } };
    for (size_t k = 0; k < 4; k++) {
        Image x = noise(k, sizes[k][0], sizes[k][1], k == 1 ? 2 : 256), back;
        Digest first, second;
        assert_true(image_write_png(scratch("a.png"), &x, &error) && digest_file(scratch("a.png"), &first, &error));
        assert_true(image_write_png(scratch("a.png"), &x, &error) && digest_file(scratch("a.png"), &second, &error));
        assert_string_equal(first.hex, second.hex);
        assert_true(image_read(&back, scratch("a.png"), &arena, &error));
        assert_memory_equal(x.rgb, back.rgb, 3 * x.width * x.height);
        /* SHA256SUMS of the world depends on the bytes of stb's compressor, so another version must be noticed */
        if (k == 1)
            assert_string_equal(first.hex, "4442a92183f660c3895eb6fc5e4c2146fb8868781699cca0bc0c7d06505e00e3");
    }
}

static void pads_are_centred_and_crops_are_parts(void **state)
{
    (void)state;
    Image x = { .width = 3, .height = 1, .rgb = (uint8_t[]){ 1, 2, 3, 4, 5, 6, 7, 8, 9 } }, square, part;
    const uint8_t colour[3] = { 122, 116, 104 };
    assert_true(image_pad(&square, &x, colour, &arena, &error));
    assert_int_equal(square.height, 3);
    assert_memory_equal(square.rgb + 9, x.rgb, 9);
    assert_memory_equal(square.rgb, ((uint8_t[]){ 122, 116, 104, 122, 116, 104, 122, 116, 104 }), 9);
    assert_true(image_crop(&part, &square, 1, 1, 2, 1, &arena, &error));
    assert_memory_equal(part.rgb, x.rgb + 3, 6);
    assert_false(image_crop(&part, &square, 2, 0, 2, 1, &arena, &error));
    expect_sentence(&error, "a crop of 2 x 1 does not fit a picture of 3 x 3");
}

/* --- Broken files --- */

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static uint8_t *good_png(size_t *n)
{
    return (uint8_t *)file_read("fixtures/pillow/rgb8.png", 1 << 20, n, &arena, &error);
}

/* A PNG whose header states the size w x h must be refused. The checksum of the header is right, so that nothing but
 * the size is wrong. */
static void refuse_size(uint32_t w, uint32_t h, const char *part)
{
    size_t n;
    Image out;
    uint8_t *p = good_png(&n);
    uint32_t crc = 0xffffffffu;
    put32(p + 16, w);
    put32(p + 20, h);
    for (size_t i = 12; i < 29; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    put32(p + 29, ~crc);
    assert_false(image_decode(&out, p, n, "it.png", &arena, &error));
    expect_sentence(&error, "it.png: the picture is ", part);
}

static void sizes_are_refused_before_decoding(void **state)
{
    (void)state;
    refuse_size(0, 0, "0 x 0");
    refuse_size(0, 9, "0 x 9");
    refuse_size(20000, 20000, "20000 x 20000, expected at least 1 x 1 and at most 67108864 pixels");
    refuse_size(0xffffffffu, 0xffffffffu, "4294967295 x 4294967295");
    assert_true(arena.peak < 1 << 16);
}

static void a_truncated_png_is_refused_wherever_it_ends(void **state)
{
    (void)state;
    size_t n;
    uint8_t *p = good_png(&n);
    for (size_t k = 0; k < n; k++) {
        Image out;
        assert_false(image_decode(&out, p, k, "it.png", &arena, &error));
        expect_sentence(&error, "it.png: ", k < 8 ? "not a picture we can read, expected PNG or JPEG" : "truncated");
    }
}

static void a_damaged_png_is_refused_whichever_bit_is_wrong(void **state)
{
    (void)state;
    size_t n;
    uint8_t *p = good_png(&n);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        Image out;
        p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(image_decode(&out, p, n, "it.png", &arena, &error));
        expect_sentence(&error, "it.png: ");
        p[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

/* Any bytes give a picture or an error. The checksums of the PNG files are corrected, so that the damage reaches the
 * decoder. */
static void random_damage_never_crashes(void **state)
{
    (void)state;
    static const char *const names[] = { "rgb8", "palette4", "paletteshort", "interlaced", "greyalpha16", "rgbkey",
                                         "grey1" };
    uint64_t seed = check_seed();
    for (size_t round = 0; round < 1000; round++) {
        size_t n;
        Image out;
        uint8_t *p = (uint8_t *)file_read(round % 2 ? "fixtures/pillow/baseline.jpg" : "fixtures/pillow/progressive.jpg", 1 << 20,
                                          &n, &arena, &error);
        for (size_t k = 0; k < 1 + round % 4; k++)
            p[2 + check_below(&seed, n - 4)] = (uint8_t)check_random(&seed);
        if (!image_decode(&out, p, n, "a.jpg", &arena, &error))
            expect_sentence(&error, "a.jpg: ");
        arena_reset(&arena);
    }
    for (size_t round = 0; round < 4000; round++) {
        size_t n;
        Image out;
        char path[64];
        snprintf(path, sizeof path, "fixtures/pillow/%s.png", names[round % 7]);
        uint8_t *p = (uint8_t *)file_read(path, 1 << 20, &n, &arena, &error);
        for (size_t k = 0, at; k < 1 + round % 3; k++)
            if ((at = 24 + check_below(&seed, n - 24)))
                p[at] = (uint8_t)check_random(&seed);
        for (size_t at = 8, length; at + 12 <= n; at += length + 12) {
            uint32_t crc = 0xffffffffu;
            length = (size_t)p[at] << 24 | (size_t)p[at + 1] << 16 | (size_t)p[at + 2] << 8 | p[at + 3];
            if (length > n - at - 12)
                break;
            for (size_t i = at + 4; i < at + 8 + length; i++) {
                crc ^= p[i];
                for (int bit = 0; bit < 8; bit++)
                    crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
            }
            put32(p + at + 8 + length, ~crc);
        }
        if (!image_decode(&out, p, n, path, &arena, &error))
            expect_sentence(&error, path);
        arena_reset(&arena);
    }
}

static void other_files_are_refused(void **state)
{
    (void)state;
    Image out;
    assert_false(image_read(&out, scratch("none.png"), &arena, &error));
    expect_sentence(&error, "none.png");
    assert_true(file_write(scratch("text.png"), "GIF89a", 6, &error));
    assert_false(image_read(&out, scratch("text.png"), &arena, &error));
    expect_sentence(&error, "text.png: not a picture we can read, expected PNG or JPEG");
    assert_false(image_decode(&out, "\xff\xd8\xff\xe0\0\x10JFIF", 10, "a.jpg", &arena, &error));
    expect_sentence(&error, "a.jpg: the JPEG file is truncated");
    Image one = noise(1, 1, 1, 256);
    assert_false(image_resize(&out, &one, 0, 5, IMAGE_BICUBIC, &arena, &error));
    expect_sentence(&error, "cannot be resized to 0 x 5");
    assert_false(image_resize(&out, &one, 1 << 20, 1 << 20, IMAGE_BICUBIC, &arena, &error));
    expect_sentence(&error, "cannot be resized");
}

/* The file holds the data of a large black picture, but its header is made to say 8 x 8. */
static void a_picture_that_inflates_beyond_its_size_is_refused_before_it_does(void **state)
{
    (void)state;
    const Image large = { .width = 2000, .height = 1000, .rgb = arena_zalloc(&arena, 3 * 2000 * 1000) };
    size_t n;
    Image out;
    assert_true(image_write_png(scratch("large.png"), &large, &error));
    uint8_t *p = (uint8_t *)file_read(scratch("large.png"), (size_t)1 << 24, &n, &arena, &error);
    assert_true(p && n < 200000 && image_decode(&out, p, n, "large.png", &arena, &error));
    memcpy(p + 16, "\0\0\0\x08\0\0\0\x08", 8);
    const uint32_t crc = container_crc32(p + 12, 17);
    for (int k = 0; k < 4; k++)
        p[29 + k] = (uint8_t)(crc >> (24 - 8 * k));
    assert_false(image_decode(&out, p, n, "large.png", &arena, &error));
    expect_sentence(&error, "large.png", "inflate to more than");
}

/* If memory runs out, the writer of PNGs fails, and does not abort. Each child process has a little
 * more memory than the one before. */
static void a_picture_is_written_or_refused_whatever_memory_there_is(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip();                                 // a sanitizer needs the address space
#endif
    const Image x = noise(3, 700, 500, 256);
    int refused = 0, written = 0;
    for (size_t memory = 0; memory < (size_t)16 << 20; memory += (size_t)256 << 10) {
        int status = -1;
        const pid_t child = fork();
        if (child == 0) {
            struct rlimit most;
            FILE *f = fopen("/proc/self/statm", "r");
            unsigned long pages = 0;
            if (!f || fscanf(f, "%lu", &pages) != 1)
                _exit(9);
            fclose(f);
            most.rlim_cur = most.rlim_max = pages * (unsigned long)sysconf(_SC_PAGESIZE) + memory;
            setrlimit(RLIMIT_AS, &most);
            Error e = { 0 };
            const bool good = image_write_png(scratch("x.png"), &x, &e);
            _exit(good ? 0 : e.failed && e.kind == ERROR_MEMORY ? 2 : 8);
        }
        assert_true(waitpid(child, &status, 0) == child && WIFEXITED(status));
        assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 2);
        refused += WEXITSTATUS(status) == 2;
        written += WEXITSTATUS(status) == 0;
    }
    assert_true(refused > 2 && written > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(resizing_equals_pillow_to_the_bit), stand_test(every_kind_of_png_is_read_as_pillow_does),
        stand_test(jpeg_is_within_three_of_pillow_and_refused_when_truncated),
        stand_test(a_huffman_table_of_too_many_values_is_refused), stand_test(prepared_pictures_have_the_bits_of_the_processors),
        stand_test(a_written_png_reads_back_and_has_the_same_bytes_each_time), stand_test(pads_are_centred_and_crops_are_parts),
        stand_test(sizes_are_refused_before_decoding), stand_test(a_truncated_png_is_refused_wherever_it_ends),
        stand_test(a_damaged_png_is_refused_whichever_bit_is_wrong), stand_test(random_damage_never_crashes),
        stand_test(other_files_are_refused),
        stand_test(a_picture_that_inflates_beyond_its_size_is_refused_before_it_does),
        stand_test(a_picture_is_written_or_refused_whatever_memory_there_is),
    };
    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
