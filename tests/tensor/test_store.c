/* SPDX-License-Identifier: MIT */
/* safetensors files are read and written, and damaged ones are refused. */
#include "tests/support/stand.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tensor/base/file.h"
#include "tensor/store.h"
#include "tests/support/scratch.h"

static const char *path;

static int begin(void **state)
{
    stand_begin(state);
    path = scratch("a.safetensors");
    return 0;
}

/* Writes a file byte by byte: a header of n bytes, then `bytes` bytes of data, zeros if `data` is NULL. The stated
 * length of the header is `length`, or the true one if `length` is negative. */
static void file_by_hand(const char *header, size_t n, long long length, const void *data, size_t bytes)
{
    unsigned char *all = calloc(1, 8 + n + bytes + 1);
    uint64_t size = length < 0 ? n : (uint64_t)length;
    for (int i = 0; i < 8; i++)
        all[i] = (unsigned char)(size >> 8 * i);
    memcpy(all + 8, header, n);
    if (bytes && data)
        memcpy(all + 8 + n, data, bytes);
    assert_true(file_write(path, all, 8 + n + bytes, &error));
    free(all);
}

static void header_is(const char *header, size_t bytes)
{
    file_by_hand(header, strlen(header), -1, NULL, bytes);
}

static void refused(const char *part)
{
    Store s;
    bool good = store_open(&s, path, &arena, &error);
    if (good)
        fail_msg("a bad file was read; expected a sentence with \"%s\"", part);
    assert_null(s.mapping);
    expect_sentence(&error, path, part);
}

#define ONE(dtype, shape, range) "{\"a\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" range "}}"

static void bad_headers_are_refused(void **state)
{
    (void)state;
    static const struct { const char *header; size_t bytes; const char *part; } bad[] = {
        /* ranges */
        { ONE("F32", "[2]", "[0,8]"), 7, "expected byte 7, the end of the file" },
        { ONE("F32", "[2]", "[0,8]"), 9, "expected byte 9, the end of the file" },
        { ONE("F32", "[2]", "[4,12]"), 12, "a hole" },
        { ONE("F32", "[2]", "[8,0]"), 8, "data_offsets" },
        { ONE("F32", "[2]", "[0,4]"), 4, "F32 [2] needs 8" },
        { ONE("F32", "[2]", "[0]"), 8, "data_offsets" },
        { ONE("F32", "[2]", "[0,8,8]"), 8, "data_offsets" },
        { ONE("F32", "[2]", "[0.0,8.0]"), 8, "data_offsets" },
        { ONE("F32", "[2]", "[0,8e0]"), 8, "data_offsets" },
        { ONE("F32", "[2]", "[-8,0]"), 8, "data_offsets" },
        { ONE("F32", "[2]", "[0,18446744073709551616]"), 8, "integer" },
        { ONE("F32", "[2]", "\"0,8\""), 8, "data_offsets" },
        { "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":"
          "[2,6]}}",
          6, "an overlap" },
        { "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":"
          "[0,4]}}",
          4, "an overlap" },
        { "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":"
          "[5,9]}}",
          9, "a hole" },
        { "{}", 1, "expected byte 1, the end of the file" },
        /* shapes */
        { ONE("F32", "[-2]", "[0,8]"), 8, "dimension 0" },
        { ONE("F32", "[2.0]", "[0,8]"), 8, "dimension 0" },
        { ONE("F32", "[1,true]", "[0,8]"), 8, "dimension 1" },
        { ONE("F32", "2", "[0,8]"), 8, "\"shape\" must be a list" },
        { ONE("F32", "[1,1,1,1,2]", "[0,8]"), 8, "5 dimensions" },
        { ONE("F32", "[4294967296,4294967296]", "[0,0]"), 0, "more elements" },
        { ONE("F64", "[4611686018427387904]", "[0,0]"), 0, "more elements" },
        { ONE("F32", "[9223372036854775807,9223372036854775807,9223372036854775807,2]", "[0,8]"), 8, "more elements" },
        /* dtypes */
        { ONE("BOOL", "[2]", "[0,2]"), 2, "is BOOL, which this program does not use" },
        { ONE("F8_E4M3", "[2]", "[0,2]"), 2, "is F8_E4M3" },
        { ONE("U64", "[1]", "[0,8]"), 8, "is U64" },
        { ONE("f32", "[2]", "[0,8]"), 8, "unknown dtype \"f32\"" },
        { ONE("", "[2]", "[0,8]"), 8, "unknown dtype" },
        { "{\"a\":{\"dtype\":3,\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "\"dtype\" must be text" },
        /* entries and names */
        { "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2],\"more\":1}}", 2,
          "exactly dtype, shape and data_offsets" },
        { "{\"a\":{\"dtype\":\"U8\",\"shape\":[2]}}", 2, "exactly" },
        { "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"offsets\":[0,2]}}", 2, "data_offsets" },
        { "{\"a\":7}", 0, "exactly" },
        { "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":"
          "[2,4]}}",
          4, "duplicate" },
        { "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2, "duplicate" },
        { "{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2, "not JSON" },
        { "{\"a\\nb\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2, "control character" },
        { "{\"\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2, "name has 0 bytes" },
        { "{\"a\xff\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2, "decode byte 0xff" },
        { "{\"a\xed\xa0\x80\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2, "decode byte 0xed" },
        { "{\"__metadata__\":{\"format\":1}}", 0, "\"format\" must be text" },
        { "{\"__metadata__\":[\"pt\"]}", 0, "must be an object" },
        /* JSON */
        { " {}", 0, "must begin with '{'" },
        { "[]", 0, "must begin with '{'" },
        { "", 0, "must begin with '{'" },
        { "{\"a\":", 0, "not JSON" },
        { "{}{}", 0, "not JSON" },
        { "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
          "]]]]]]]]]]]]]]]]]]]]]]]]]]}",
          0, "nested" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        header_is(bad[i].header, bad[i].bytes);
        refused(bad[i].part);
    }
}

static void bad_lengths_are_refused(void **state)
{
    (void)state;
    static const char seven[7] = "{}";
    assert_true(file_write(path, seven, 7, &error));
    refused("has 7 bytes");
    assert_true(file_write(path, seven, 0, &error));
    refused("has 0 bytes");
    static const long long lengths[] = { 3, 100, 100000000, 100000001, 0x7fffffffffffffffll };
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        file_by_hand("{}", 2, lengths[i], NULL, 0);
        refused("says that its header has");
    }
    static const unsigned char all_ones[16] = { 255, 255, 255, 255, 255, 255, 255, 255, '{', '}' };
    assert_true(file_write(path, all_ones, 16, &error));       // 8 + N would overflow
    refused("says that its header has 18446744073709551615");
    char big[700] = "{\"";
    memset(big + 2, 'x', 513);
    strcpy(big + 515, "\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}");
    header_is(big, 2);
    refused("name has 513 bytes");
    file_by_hand("{\0}", 3, -1, NULL, 0);
    refused("not JSON");
}

static void a_missing_path_and_a_folder_are_refused(void **state)
{
    (void)state;
    Store s;
    assert_false(store_open(&s, scratch("none"), &arena, &error));
    expect_sentence(&error, "none", "cannot be read");
    assert_false(store_open(&s, scratch("."), &arena, &error));
    expect_sentence(&error, "not a regular file");
}

/* A good file that is cut anywhere gives an error. A file with random changes in its header, or in the
 * header's length, gives an error or can be read, and never crashes the reader. */
static void no_damage_crashes_the_reader(void **state)
{
    (void)state;
    static const char header[] = "{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"
                                 "\"b\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[8,9]}}";
    unsigned char all[400] = { (unsigned char)(sizeof header - 1) };
    const size_t n = 8 + sizeof header - 1 + 9;
    memcpy(all + 8, header, sizeof header - 1);
    Store s;
    for (size_t cut = 0; cut < n; cut++) {
        assert_true(file_write(path, all, cut, &error));
        assert_false(store_open(&s, path, &arena, &error));
        expect_sentence(&error, path);
        arena_reset(&arena);
    }
    uint64_t seed = check_seed();
    for (int i = 0; i < 2000; i++) {
        unsigned char hurt[400];
        memcpy(hurt, all, n);
        for (size_t k = 0; k <= check_below(&seed, 3); k++)
            hurt[check_below(&seed, n - 9)] = (unsigned char)check_random(&seed);
        FILE *f = fopen(path, "wb");           // not file_write, whose 2000 fsyncs would take most of the time
        fwrite(hurt, 1, n, f);
        fclose(f);
        if (store_open(&s, path, &arena, &error)) {
            store_digest(&s);                  // reads every value
            store_close(&s);
        } else {
            expect_sentence(&error, path);
        }
        arena_reset(&arena);
    }
}

static void scalars_zero_dimensions_and_odd_places_are_read(void **state)
{
    (void)state;
    static const unsigned char data[] = { 7, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0x80, 0x3f };
    static const char header[] = "{\"z\":{\"shape\":[],\"dtype\":\"F32\",\"data_offsets\":[1,5]},"
                                 "\"m\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"e\":{\"dtype\":\"F64\","
                                 "\"shape\":[3,0],\"data_offsets\":[5,5]},"
                                 "\"k\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1],\"data_offsets\":[5,9]},\"h\":{\"dtype\":\"BF16\","
                                 "\"shape\":[1],\"data_offsets\":[9,11]}}  ";
    Store s;
    file_by_hand(header, sizeof header - 1, -1, data, sizeof data);
    assert_true(store_open(&s, path, &arena, &error));
    assert_int_equal(s.count, 5);
    static const char *const names[] = { "e", "h", "k", "m", "z" };
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(s.entries[i].name, names[i]);
    expect_float(*store_find(&s, "z")->f32, 1, "an unaligned scalar");
    expect_float(*store_find(&s, "k")->f32, -2, "rank 4");
    expect_float(half_widen(*store_find(&s, "h")->half, BF16), 1, "bf16");
    assert_int_equal(*store_find(&s, "m")->u8, 7);
    assert_int_equal(store_find(&s, "z")->shape.rank, 0);
    assert_int_equal(shape_size(store_find(&s, "e")->shape), 0);
    assert_null(store_find(&s, "zz"));
    assert_null(store_find(&s, ""));
    store_close(&s);
    header_is("{}", 0);
    assert_true(store_open(&s, path, &arena, &error));
    assert_int_equal(s.count, 0);
    store_close(&s);
}

static size_t sample(Entry out[8])
{
    static float f[6] = { 1, -0.f, 3, 4, 5, 6 };
    static double d[2] = { 0.1, -1e300 };
    static int64_t l[1] = { -2 };
    static int32_t i[3] = { 1, -1, 0x12345678 };
    static uint8_t b[3] = { 1, 2, 255 };
    static uint16_t h[2] = { 0x3c00, 0x7e00 };
    const Tensor t[8] = {
        { shape_of(2, (size_t)2, (size_t)3), F32, { .f32 = f } }, { shape_of(1, (size_t)2), F64, { .f64 = d } },
        { shape_of(0), I64, { .i64 = l } }, { shape_of(1, (size_t)3), I32, { .i32 = i } }, { shape_of(1, (size_t)3), U8, { .u8 = b } },
        { shape_of(1, (size_t)2), F16, { .half = h } },
        { shape_of(1, (size_t)2), BF16, { .half = h } }, { shape_of(2, (size_t)0, (size_t)5), F32, { .f32 = f } },
    };
    static const char *const names[8] = { "model.weight", "d", "l", "i", "b\"\\/\xc3\xa9", "h", "g", "a.empty" };
    for (int k = 0; k < 8; k++)
        out[k] = (Entry){ names[k], t[k] };
    return 8;
}

static void what_is_written_is_the_canonical_file(void **state)
{
    (void)state;
    /* The official library's order of the dtypes is I64 F64 F32 I32 BF16 F16 U8; within one, the names decide. 8 + a
     * multiple of 8 bytes are before the data. */
    static const char want[] = "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"l\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
        "\"d\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[8,24]},"
        "\"a.empty\":{\"dtype\":\"F32\",\"shape\":[0,5],\"data_offsets\":[24,24]},"
        "\"model.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[24,48]},"
        "\"i\":{\"dtype\":\"I32\",\"shape\":[3],\"data_offsets\":[48,60]},"
        "\"g\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[60,64]},"
        "\"h\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[64,68]},"
        "\"b\\\"\\\\/\xc3\xa9\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[68,71]}}";
    static const unsigned char values[16] = { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                              0x9a, 0x99, 0x99, 0x99, 0x99, 0x99, 0xb9, 0x3f };      // of "l" and the first of "d"
    Entry list[8];
    size_t count = sample(list), n;
    assert_true(store_write(path, list, count, &error));
    const char *got = file_read(path, 10000, &n, &arena, &error);
    const size_t used = sizeof want - 1, padded = (used + 7) / 8 * 8;
    assert_int_equal(n, 8 + padded + 71);
    assert_int_equal((unsigned char)got[0] | (unsigned char)got[1] << 8, padded);
    assert_memory_equal(got + 8, want, used);
    for (size_t i = used; i < padded; i++)
        assert_int_equal(got[8 + i], ' ');
    assert_memory_equal(got + 8 + padded, values, 16);
}

static void a_file_reads_back_as_it_was_written_in_any_order(void **state)
{
    (void)state;
    Entry list[8];
    size_t count = sample(list), n, again;
    assert_true(store_write(path, list, count, &error));
    const char *first = file_read(path, 10000, &n, &arena, &error);
    Store s;
    assert_true(store_open(&s, path, &arena, &error));
    assert_int_equal(s.count, count);
    for (size_t i = 0; i < count; i++) {
        const Tensor *t = store_find(&s, list[i].name);
        assert_non_null(t);
        assert_true(t->dtype == list[i].tensor.dtype && shape_equal(t->shape, list[i].tensor.shape));
        assert_string_equal(digest_tensor("x", *t).hex, digest_tensor("x", list[i].tensor).hex);
        if (tensor_bytes(*t))
            assert_memory_equal(t->data, list[i].tensor.data, tensor_bytes(*t));
    }
    const Digest all = store_digest(&s);
    assert_true(store_write(path, s.entries, s.count, &error));     // over the mapped file, which stays readable
    assert_string_equal(store_digest(&s).hex, all.hex);
    store_close(&s);
    const char *second = file_read(path, 10000, &again, &arena, &error);
    assert_int_equal(n, again);
    assert_memory_equal(first, second, n);
}

/* The SHA-256, by Python's hashlib, of b"w\0F32\0[2, 1]\0" + struct.pack("<2f", 1, -2); of the line that store_digest
 * makes of this first SHA-256; and of b"abc". */
static void digests_are_those_that_python_computes(void **state)
{
    (void)state;
    float values[2] = { 1, -2 };
    Entry one = { "w", tensor_view(values, shape_of(2, (size_t)2, (size_t)1)) };
    assert_string_equal(digest_tensor("w", one.tensor).hex, "a7ef55f96770d416d18140699e6ca9732c3e9dfd77d5b447b2b59adea5106b66");
    Store s = { .entries = &one, .count = 1 };
    assert_string_equal(store_digest(&s).hex, "fec93e590e3c66652cdcae668d5e85c7857ac145fd8d65f3b7c726018dd3298e");
    Digest d;
    assert_true(file_write(path, "abc", 3, &error) && digest_file(path, &d, &error));
    assert_string_equal(d.hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_false(digest_file(scratch("none"), &d, &error));
    expect_sentence(&error, "none", "cannot be read");
}

static void bad_entries_leave_the_old_file(void **state)
{
    (void)state;
    float x = 1;
    const Tensor t = tensor_view(&x, shape_of(0));
    int32_t n = 1;
    const Tensor i = { shape_of(0), I32, { .i32 = &n } };
    assert_true(file_write(path, "old", 3, &error));
    static const struct { const char *a, *b, *part; } bad[] = {
        { "x", "x", "two entries are called \"x\"" }, { "x", "\xff", "not UTF-8" },
        { "__metadata__", "x", "__metadata__" }, { "x", "", "0 bytes" }, { "x", "a\nb", "control" },
    };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        const Entry list[] = { { bad[k].a, t }, { "between", t }, { bad[k].b, i } };
        assert_false(store_write(path, list, 3, &error));
        expect_sentence(&error, path, bad[k].part);
        size_t size;
        assert_string_equal(file_read(path, 10, &size, &arena, &error), "old");
    }
    const Entry one = { "x", t };
    assert_false(store_write(scratch("none/a"), &one, 1, &error));
    expect_sentence(&error, "none/a", "cannot be written");
}

/* What the bits of an F16 or BF16 number mean, by IEEE 754's definition and in binary64. */
static double meaning(uint32_t bits, Dtype d)
{
    const int digits = d == F16 ? 10 : 7, most = d == F16 ? 31 : 255, bias = d == F16 ? 15 : 127;
    const int exponent = (int)(bits >> digits) & most, fraction = (int)(bits & ((1u << digits) - 1));
    const double value = exponent == most ? fraction ? NAN : INFINITY
        : ldexp(fraction + (exponent ? 1 << digits : 0), (exponent ? exponent : 1) - bias - digits);
    return bits >> 15 ? -value : value;
}

static void all_halves_are_widened_to_the_numbers_that_their_bits_mean(void **state)
{
    (void)state;
    static uint16_t half[65536];
    static float out[65536];
    for (uint32_t k = 0; k < 65536; k++)
        half[k] = (uint16_t)k;
    for (int d = F16; d <= BF16; d++) {
        halves_widen(half, 65536, (Dtype)d, out);
        for (uint32_t k = 0; k < 65536; k++) {
            const double want = meaning(k, (Dtype)d);
            const uint32_t nan = d == F16 ? (k & 0x8000) << 16 | 0x7f800000u | (k & 1023) << 13 : k << 16;
            if (isnan(want))
                assert_int_equal(float_bits(out[k]), nan);
            else
                assert_true((double)out[k] == want && !signbit(out[k]) == !signbit(want));
            assert_int_equal(float_bits(half_widen((uint16_t)k, (Dtype)d)), float_bits(out[k]));
        }
    }
    float few[4] = { 0, 0, 0, 7 };
    halves_widen(half + 0x3c00, 3, F16, few);
    expect_float(few[0], 1, "a list of three begins with 1");
    expect_float(few[3], 7, "the number after the list stays");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_halves_are_widened_to_the_numbers_that_their_bits_mean),
        cmocka_unit_test_setup_teardown(bad_headers_are_refused, begin, stand_end),
        cmocka_unit_test_setup_teardown(bad_lengths_are_refused, begin, stand_end),
        cmocka_unit_test_setup_teardown(a_missing_path_and_a_folder_are_refused, begin, stand_end),
        cmocka_unit_test_setup_teardown(no_damage_crashes_the_reader, begin, stand_end),
        cmocka_unit_test_setup_teardown(scalars_zero_dimensions_and_odd_places_are_read, begin, stand_end),
        cmocka_unit_test_setup_teardown(what_is_written_is_the_canonical_file, begin, stand_end),
        cmocka_unit_test_setup_teardown(a_file_reads_back_as_it_was_written_in_any_order, begin, stand_end),
        cmocka_unit_test_setup_teardown(digests_are_those_that_python_computes, begin, stand_end),
        cmocka_unit_test_setup_teardown(bad_entries_leave_the_old_file, begin, stand_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
