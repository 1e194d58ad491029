/* SPDX-License-Identifier: MIT */
/* JSON, decimals and hexadecimal floats, read and written; and files that are written whole or not at all. */
#include "tests/support/check.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tensor/base/file.h"
#include "tensor/base/float.h"
#include "tensor/base/json.h"
#include "tests/support/scratch.h"

static void shortest_decimals_are_spelt_as_python_does(void **state)
{
    (void)state;
    /* from Python 3.11's repr(float), except that Python spells NaN as "nan" */
    static const struct { double x; const char *text; } doubles[] = {
        { 0.1, "0.1" }, { 1, "1.0" }, { -2.5, "-2.5" }, { 1e-5, "1e-05" }, { 1e-4, "0.0001" }, { 1.5e-7, "1.5e-07" },
        { 123456789, "123456789.0" }, { 1e15, "1000000000000000.0" }, { 1e16, "1e+16" }, { 1e100, "1e+100" },
        { 5e-324, "5e-324" }, { 1.7976931348623157e308, "1.7976931348623157e+308" }, { 0x1p-44, "5.684341886080802e-14" },
        { 9007199254740993.0, "9007199254740992.0" }, { 1234.5678, "1234.5678" }, { 0, "0.0" }, { -0.0, "-0.0" },
        { INFINITY, "inf" }, { -INFINITY, "-inf" }, { NAN, "NaN" }, { 0.001234, "0.001234" }, { 1e22, "1e+22" },
    };
    /* from numpy's repr(float32), in scientific form at the exponents at which Python's repr(float) has this form */
    static const struct { float x; const char *text; } floats[] = {
        { 0.1f, "0.1" }, { 1e-5f, "1e-05" }, { 16777216.f, "16777216.0" }, { 0x1p-149f, "1e-45" },
        { 3.4028235e38f, "3.4028235e+38" }, { 0.9f, "0.9" }, { 1.f / 3, "0.33333334" }, { 0x1p-126f, "1.1754944e-38" },
        { 1e10f, "10000000000.0" }, { -0.f, "-0.0" },
    };
    char out[32];
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++)
        assert_string_equal(decimal_double(doubles[i].x, out), doubles[i].text);
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++)
        assert_string_equal(decimal_float(floats[i].x, out), floats[i].text);
}

static void decimals_read_back_as_the_same_bits(void **state)
{
    (void)state;
    uint64_t seed = check_seed();
    char out[32];
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = check_random(&seed);
        float x = float_from((uint32_t)bits), x2 = 0;
        double d = double_from(bits), d2 = 0;
        if (isfinite(x)) {
            assert_true(decimal_to_float(decimal_float(x, out), &x2));
            expect_float(x2, x, "%s", out);
        }
        if (isfinite(d)) {
            assert_true(decimal_to_double(decimal_double(d, out), &d2));
            if (double_bits(d) != double_bits(d2))
                fail_msg("%a became %s, which is %a", d, out, d2);
            assert_true(strlen(out) <= 24);
        }
    }
}

/* No decimal with one digit fewer reads back: neither the cut decimal nor its two neighbours. */
static void no_shorter_decimal_reads_back(void **state)
{
    (void)state;
    uint64_t seed = check_seed();
    for (int i = 0; i < 20000; i++) {
        float x = i < 254 ? ldexpf(1, i - 126) : float_from((uint32_t)check_random(&seed) & 0x7fffffff), back;
        char out[32], text[40];
        if (!isfinite(x) || x == 0)
            continue;
        int digits = 0, seen = 0;
        for (const char *p = decimal_float(x, out); *p && *p != 'e'; p++)
            if (*p >= '0' && *p <= '9' && (seen |= *p != '0'))
                digits++;
        for (const char *p = strchr(out, 'e') ? strchr(out, 'e') - 1 : out + strlen(out) - 1; digits > 1 && (*p == '0' || *p == '.'); p--)
            digits -= *p == '0';
        if (digits < 2)
            continue;
        snprintf(text, sizeof text, "%.*e", digits - 2, (double)x);
        for (int step = -1; step <= 1; step++) {
            char *mark = strchr(text, 'e');
            long exponent = strtol(mark + 1, NULL, 10) - (digits - 2);
            long whole = 0;
            for (char *p = text; p < mark; p++)
                whole = *p == '.' ? whole : whole * 10 + (*p - '0');
            char near[40];
            snprintf(near, sizeof near, "%lde%ld", whole + step, exponent);
            assert_true(whole + step < 0 || !decimal_to_float(near, &back) || back != x);
        }
    }
}

static void hex_is_that_of_c99(void **state)
{
    (void)state;
    uint64_t seed = check_seed();
    char out[32];
    static const double some[] = { 0, -0.0, 1, 3, -0.1, 5e-324, 0x1.8p-1030, 1.7976931348623157e308, 0x1p-1022 };
    for (size_t i = 0; i < 20000; i++) {
        double x = i < sizeof some / sizeof *some ? some[i] : double_from(check_random(&seed));
        if (!isfinite(x))
            continue;
        assert_true(double_bits(strtod(hex_double(x, out), NULL)) == double_bits(x));
#ifdef __GLIBC__
        char want[64];
        snprintf(want, sizeof want, "%a", x);      // our spelling is that of glibc
        assert_string_equal(out, want);
#endif
    }
    assert_string_equal(hex_double(NAN, out), "NaN");
}

static void a_decimal_is_rounded_once(void **state)
{
    (void)state;
    float x;
    assert_true(decimal_to_float("0.1", &x));
    expect_float(x, float_from(0x3dcccccd), "0.1");
    /* just above the middle of 1 and the next float: rounded to a double first, it would become the middle, then 1 */
    assert_true(decimal_to_float("1.00000005960464477539062500000001", &x));
    expect_float(x, 1 + 0x1p-23f, "above the middle");
    assert_true(decimal_to_float("1.000000059604644775390625", &x));
    expect_float(x, 1, "the middle goes to even");
    assert_true(decimal_to_float("1e-400", &x));
    expect_float(x, 0, "underflow is zero");
}

static void what_is_not_a_decimal_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", " 1", "1 ", "+1", ".5", "1.", "1e", "1e+", "0x1", "inf", "NaN", "1,5", "1_0", "--1", "1.5.2", "1e5.0", "1e999", "-1e999", "1f",
    };
    float x = 7;
    double d = 7;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (decimal_to_float(bad[i], &x) || decimal_to_double(bad[i], &d))
            fail_msg("\"%s\" was read as a number", bad[i]);
    assert_true(x == 7 && d == 7);
    int64_t n = 7;
    static const char *const not_whole[] = { "", "-", "1.0", "1e3", "9223372036854775808", "-9223372036854775809",
                                             " 1", "+1" };
    for (size_t i = 0; i < sizeof not_whole / sizeof *not_whole; i++)
        assert_false(decimal_to_int(not_whole[i], &n));
    assert_true(n == 7);
    assert_true(decimal_to_int("-9223372036854775808", &n) && n == INT64_MIN);
    assert_true(decimal_to_int("9223372036854775807", &n) && n == INT64_MAX);
}

static void a_comma_locale_changes_nothing(void **state)
{
    (void)state;
    static const char *const with_comma[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE", "fr_FR.utf8" };
    const char *set = NULL;
    for (size_t i = 0; i < sizeof with_comma / sizeof *with_comma && !set; i++)
        set = setlocale(LC_ALL, with_comma[i]);
    char command[700];
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 '%s' > /dev/null 2>&1", scratch("de_DE.UTF-8"));
    if (!set && system(command) == 0 && setenv("LOCPATH", scratch("."), 1) == 0)
        set = setlocale(LC_ALL, "de_DE.UTF-8");
    if (!set)
        skip();                            // no such locale on this machine, and none could be made
    snprintf(command, sizeof command, "%.1f", 0.5);
    assert_string_equal(command, "0,5");   // the locale is what it should be
    char out[32];
    float x = 0;
    assert_string_equal(decimal_double(0.5, out), "0.5");
    assert_true(decimal_to_float("0.5", &x) && x == 0.5f);
    assert_false(decimal_to_float("0,5", &x));
    setlocale(LC_ALL, "C");
}

static json_t *parse(const char *text, Error *e)
{
    return json_parse(text, strlen(text), "a.json", e);
}

static void bad_json_is_refused_with_file_and_line(void **state)
{
    (void)state;
    Error e = { 0 };
    static const struct { const char *text, *part; } bad[] = {
        { "{\"a\": 1,\n\"a\": 2}", "a.json:2: " },       // duplicate
        { "{\"a\": \"\xff\"}", "unable to decode byte 0xff" },
        { "{\"a\": \"\xc0\x80\"}", "unable to decode byte 0xc0" },
        { "{\"a\": \"\\u0000\"}", "a.json:1: " },
        { "{\"a\": 1} x", "a.json:1: " },
        { "{\"a\":\n\n 1", "a.json:3: " },
        { "", "a.json:1: " },
        { "[1e999]", "real" },
        { "[92233720368547758080]", "integer" },
        { "[01]", "a.json:1: " }, { "[1,]", "a.json:1: " }, { "{'a': 1}", "a.json:1: " },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *value = parse(bad[i].text, &e);
        assert_null(value);
        expect_sentence(&e, bad[i].part);
    }
    char deep[400] = "\n";
    memset(deep + 1, '[', 65);
    assert_null(parse(deep, &e));
    expect_sentence(&e, "a.json:2: is nested more than 64 deep");
    memset(deep + 1, '[', 64);
    memset(deep + 65, ']', 64);
    json_t *value = parse(deep, &e);
    expect_fine(&e);
    json_decref(value);
    value = parse("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[\"]", &e);
    expect_fine(&e);                               // brackets inside text do not count
    json_decref(value);
}

static void getters_name_the_key(void **state)
{
    (void)state;
    Error e = { 0 };
    json_t *o = parse("{\"a\": 1, \"b\": 0.1, \"c\": \"x\", \"d\": true, \"big\": 1e300}", &e);
    int64_t n = 0;
    double d = 0;
    float f = 0;
    bool b = false;
    const char *s = "";
    assert_true(json_get_int(o, "a", &n, "f", &e) && n == 1);
    assert_true(json_get_real(o, "a", &d, "f", &e) && d == 1);
    assert_true(json_get_float(o, "b", &f, "f", &e));
    expect_float(f, 0.1f, "the nearest float");
    assert_true(json_get_bool(o, "d", &b, "f", &e) && b);
    assert_true(json_get_text(o, "c", &s, "f", &e));
    assert_string_equal(s, "x");
    assert_false(json_get_int(o, "b", &n, "f", &e));
    expect_sentence(&e, "f: \"b\" must be a whole number");
    assert_false(json_get_int(o, "z", &n, "f", &e));
    expect_sentence(&e, "f: the key \"z\" is missing");
    assert_false(json_get_text(o, "a", &s, "f", &e));
    expect_sentence(&e, "\"a\" must be text");
    assert_false(json_get_bool(o, "a", &b, "f", &e));
    expect_sentence(&e, "\"a\" must be true or false");
    assert_false(json_get_float(o, "big", &f, "f", &e));
    expect_sentence(&e, "\"big\"", "beyond fp32");
    assert_false(json_get_real(o, "c", &d, "f", &e));
    expect_sentence(&e, "\"c\" must be a number");
    json_decref(o);
}

static void json_is_written_with_shortest_numbers(void **state)
{
    (void)state;
    Error e = { 0 };
    Arena a = arena_make(&e);
    json_t *o = json_pack("{s:o, s:[i,b,n], s:{}, s:s, s:o}", "eps", json_decimal(1e-5f), "list", 3, 1, "none", "text", "a\"b",
                          "nan", json_decimal(NAN));
    const char *path = scratch("a.json");
    size_t n;
    assert_true(json_save(path, o, &e));
    assert_string_equal(file_read(path, 1000, &n, &a, &e),
        "{\n  \"eps\": 1e-05,\n  \"list\": [\n    3,\n    true,\n    null\n  ],\n  \"none\": {},\n  \"text\": \"a\\\"b\",\n  "
        "\"nan\": \"NaN\"\n}\n");
    json_t *back = json_file(path, 1000, &e);
    assert_true(json_equal(o, back));
    assert_null(json_file(path, 10, &e));
    expect_sentence(&e, path, "at most 10");
    unlink(path);
    assert_null(json_file(path, 10, &e));
    expect_sentence(&e, path, "cannot be read");
    json_decref(o);
    json_decref(back);
    arena_free(&a);
}

static void a_file_is_written_whole_or_not_at_all(void **state)
{
    (void)state;
    Error e = { 0 };
    Arena a = arena_make(&e);
    FileWriter w;
    size_t n;
    assert_true(file_make_folder(scratch("b/b/c"), &e) && file_make_folder(scratch("b/b/c"), &e));
    assert_true(file_write(scratch("b/b/f"), "old", 3, &e));
    assert_true(file_begin(&w, scratch("b/b/f"), &e));
    fputs("new", w.stream);
    file_drop(&w);
    assert_string_equal(file_read(scratch("b/b/f"), 10, &n, &a, &e), "old");
    assert_true(file_begin(&w, scratch("b/b/f"), &e));
    fputs("newer", w.stream);
    const char *part = arena_text(&a, w.part);
    assert_true(part && file_exists(part));
    assert_string_equal(file_read(scratch("b/b/f"), 10, &n, &a, &e), "old");
    assert_true(file_finish(&w, &e));
    assert_string_equal(file_read(scratch("b/b/f"), 10, &n, &a, &e), "newer");
    assert_false(file_exists(part));
    expect_fine(&e);
    assert_null(file_read(scratch("b/b"), 10, &n, &a, &e));
    expect_sentence(&e, "not a regular file");
    assert_false(file_make_folder(scratch("b/b/f/x"), &e));
    expect_sentence(&e, "cannot make this folder");
    assert_false(file_begin(&w, scratch("b/none/f"), &e));
    expect_sentence(&e, "cannot be written");
    assert_false(file_write("/dev/full/x", "a", 1, &e));
    expect_sentence(&e, "cannot be written");
    unlink(scratch("b/b/f"));
    // the folders are empty, so nothing else was left in them
    assert_int_equal(rmdir(scratch("b/b/c")) | rmdir(scratch("b/b")) | rmdir(scratch("b")), 0);
    arena_free(&a);
}

static void json_with_a_missing_part_is_never_written(void **state)
{
    (void)state;
    Error e = { 0 };
    json_t *list = json_array(), *object = json_object();
    assert_true(json_add(list, json_integer(1)) && json_put(object, "list", json_incref(list))
                && json_join(object, json_pack("{s:i}", "k", 2)));
    assert_true(json_save(scratch("whole.json"), object, &e));
    assert_false(json_add(list, json_string("\xff")));              // not UTF-8, so jansson makes none
    assert_false(json_save(scratch("part.json"), object, &e));
    expect_sentence(&e, "part.json: cannot be written", "its JSON was not made");
    assert_false(file_exists(scratch("part.json")));
    assert_true(json_save(scratch("part.json"), object, &e));         // the failure was reported above, and is not kept
    assert_false(json_put(object, "text", NULL) || json_join(NULL, json_object()) || json_add(NULL, json_true()));
    assert_null(json_compact(object, &e));
    expect_sentence(&e, "its JSON was not made");
    FILE *f = tmpfile();
    assert_false(json_line(f, NULL, &e));
    assert_int_equal(ftell(f), 0);
    expect_sentence(&e, "its JSON was not made");
    fclose(f);
    json_decref(list);
    json_decref(object);
    unlink(scratch("whole.json"));
    unlink(scratch("part.json"));
}

static void texts_are_spelt_as_jansson_does(void **state)
{
    (void)state;
    char all[128 + 8], *bytes = NULL;
    size_t n = 0;
    for (int c = 1; c < 128; c++)
        all[c - 1] = (char)c;
    strcpy(all + 127, "\xc3\xa9");
    json_t *text = json_string(all);
    FILE *f = open_memstream(&bytes, &n);
    assert_true(text && json_print(f, text, 0));
    fclose(f);
    char *own = json_dumps(text, JSON_ENCODE_ANY);
    assert_string_equal(bytes, own);
    free(own);
    free(bytes);
    json_decref(text);
}

/* A killed process leaves a part file that nobody locks. */
static void parts_that_killed_processes_left_are_removed_and_others_stay(void **state)
{
    (void)state;
    Error e = { 0 };
    FileWriter w;
    assert_true(file_make_folder(scratch("sweep"), &e) && file_write(scratch("sweep/x.part-7"), "half", 4, &e));
    assert_true(file_begin(&w, scratch("sweep/y"), &e));
    assert_false(file_exists(scratch("sweep/x.part-7")));
    assert_true(file_write(scratch("sweep/z"), "", 0, &e));
    assert_true(file_finish(&w, &e));
    assert_true(file_exists(scratch("sweep/y")));
    unlink(scratch("sweep/y"));
    unlink(scratch("sweep/z"));
    assert_int_equal(rmdir(scratch("sweep")), 0);
    expect_fine(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shortest_decimals_are_spelt_as_python_does),
        cmocka_unit_test(decimals_read_back_as_the_same_bits),
        cmocka_unit_test(no_shorter_decimal_reads_back),
        cmocka_unit_test(hex_is_that_of_c99),
        cmocka_unit_test(a_decimal_is_rounded_once),
        cmocka_unit_test(what_is_not_a_decimal_is_refused),
        cmocka_unit_test(a_comma_locale_changes_nothing),
        cmocka_unit_test(bad_json_is_refused_with_file_and_line),
        cmocka_unit_test(getters_name_the_key),
        cmocka_unit_test(json_is_written_with_shortest_numbers),
        cmocka_unit_test(a_file_is_written_whole_or_not_at_all),
        cmocka_unit_test(json_with_a_missing_part_is_never_written),
        cmocka_unit_test(texts_are_spelt_as_jansson_does),
        cmocka_unit_test(parts_that_killed_processes_left_are_removed_and_others_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
