/* SPDX-License-Identifier: MIT */
/* The counter-based random numbers against published and independently computed values. */
#include "tests/support/check.h"

#include <math.h>
#include <string.h>
#include "tensor/base/float.h"
#include "tensor/base/hash.h"
#include "tensor/base/random.h"

/* From Random123's kat_vectors (Salmon et al.), the rows of philox4x32 with 10 rounds. */
static void philox_gives_the_published_answers(void **state)
{
    (void)state;
    static const struct { uint32_t counter[4], key[2], want[4]; } known[] = {
        { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff }, { 0xffffffff, 0xffffffff },
          { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 }, { 0xa4093822, 0x299f31d0 },
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t got[4];
        philox4x32(known[i].counter, known[i].key, got);
        assert_memory_equal(got, known[i].want, sizeof got);
    }
}

static void words_of(Random r, uint64_t index, uint32_t draw, uint32_t w[4])
{
    uint32_t counter[4] = { (uint32_t)index, (uint32_t)(index >> 32), (uint32_t)(r.seed >> 32), draw };
    uint32_t key[2] = { (uint32_t)r.seed, r.purpose };
    philox4x32(counter, key, w);
}

static void a_purpose_is_the_start_of_its_sha256(void **state)
{
    (void)state;
    assert_string_equal(digest_bytes("abc", 3).hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_string_equal(digest_bytes("", 0).hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_int_equal(random_for(5, "abc").purpose, 0xbf1678ba);
    assert_int_equal(random_for(5, "").purpose, 0x42c4b0e3);
    assert_true(random_for(0x123456789abcdefull, "x").seed == 0x123456789abcdefull);
}

static void seed_index_and_purpose_all_matter(void **state)
{
    (void)state;
    const Random r = { 0x0000000100000002ull, 3 };
    uint32_t w[4];
    words_of(r, 0x500000004ull, 0, w);
    assert_int_equal(random_bits(r, 0x500000004ull), w[0]);
    assert_int_not_equal(random_bits(r, 4), w[0]);
    assert_int_not_equal(random_bits((Random){ 2, 3 }, 0x500000004ull), w[0]);
    assert_int_not_equal(random_bits((Random){ 0x0000000100000002ull, 4 }, 0x500000004ull), w[0]);
}

static void uniform_is_24_bits(void **state)
{
    (void)state;
    const Random r = random_for(1, "uniform");
    double sum = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        float u = random_uniform(r, i), scaled = u * 0x1p24f;
        assert_true(u >= 0 && u < 1 && scaled == floorf(scaled));
        assert_true((uint32_t)scaled == random_bits(r, i) >> 8);
        sum += u;
    }
    assert_true(fabs(sum / 100000 - 0.5) < 5 * 0.2887 / sqrt(100000));     // five standard errors
}

/* By definition the first word below floor(2^32/n) n is taken, and each value comes from equally many of
 * these words, so the result is unbiased. This test shows that the code follows the definition, with
 * values of n that reject many words. */
static void below_takes_the_first_fair_word(void **state)
{
    (void)state;
    static const uint32_t sizes[] = { 1, 2, 3, 7, 1000, 0x80000000u, 0x80000001u, 0xc0000000u, 0xffffffffu };
    size_t rejected = 0;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const uint32_t n = sizes[s];
        const uint64_t fair = 0x100000000ull - 0x100000000ull % n;
        const Random r = random_for(check_seed(), "below");
        for (uint64_t i = 0; i < 500; i++) {
            uint32_t w[4], draw = 0;
            for (words_of(r, i, 0, w); w[0] >= fair; words_of(r, i, ++draw, w))
                rejected++;
            assert_int_equal(random_below(r, i, n), w[0] % n);
        }
    }
    assert_true(rejected > 400);           // about 500 for n = 2^31 + 1, and 500 / 3 for n = 3 2^30
}

static void below_is_even_where_modulo_would_not_be(void **state)
{
    (void)state;
    /* n = 3 2^30: plain modulo would give the lowest third twice as often as each other third */
    const Random r = random_for(7, "even");
    size_t low = 0, count = 30000;
    for (uint64_t i = 0; i < count; i++)
        low += random_below(r, i, 0xc0000000u) < 0x40000000u;
    assert_true(fabs((double)low / (double)count - 1.0 / 3) < 5 * sqrt(2.0 / 9 / (double)count));
}

static void normal_is_the_exact_sum_rounded_once(void **state)
{
    (void)state;
    const Random r = random_for(check_seed(), "normal");
    double sum = 0, sum_of_squares = 0;
    size_t inexact = 0;
    const size_t count = 50000;
    for (uint64_t i = 0; i < count; i++) {
        double exact = -6;                 // multiples of 2^-24 below 2^3: every step is exact
        for (uint32_t draw = 0; draw < 3; draw++) {
            uint32_t w[4];
            words_of(r, i, draw, w);
            for (int k = 0; k < 4; k++)
                exact += (w[k] >> 8) * 0x1p-24;
        }
        expect_float(random_normal(r, i), (float)exact, "index %zu", (size_t)i);
        inexact += (double)(float)exact != exact;
        sum += exact;
        sum_of_squares += exact * exact;
    }
    assert_true(inexact > 0);              // the rounding was needed somewhere
    assert_true(fabs(sum / (double)count) < 5 / sqrt((double)count));
    assert_true(fabs(sum_of_squares / (double)count - 1) < 5 * sqrt(1.9 / (double)count));   // var of x^2 is 1.9
}

static void shuffle_is_fisher_yates_from_the_end(void **state)
{
    (void)state;
    const Random r = random_for(check_seed(), "shuffle");
    for (size_t n = 0; n < 70; n++) {
        uint32_t got[70], want[70];
        for (size_t i = 0; i < n; i++)
            want[i] = (uint32_t)i;
        for (size_t i = n; i-- > 1; ) {
            uint32_t j = random_below(r, i, (uint32_t)i + 1), t = want[i];
            want[i] = want[j];
            want[j] = t;
        }
        random_shuffle(r, got, n);
        if (n)
            assert_memory_equal(got, want, n * sizeof *got);
    }
    /* all orders of 4, equally often: chi^2 with 23 degrees of freedom stays below 60 (p = 4e-5) */
    size_t seen[256] = { 0 };
    for (uint64_t seed = 0; seed < 24000; seed++) {
        uint32_t p[4];
        random_shuffle(random_for(seed, "orders"), p, 4);
        seen[p[0] << 6 | p[1] << 4 | p[2] << 2 | p[3]]++;
    }
    double chi2 = 0;
    size_t orders = 0;
    for (size_t i = 0; i < 256; i++)
        if (seen[i]) {
            chi2 += ((double)seen[i] - 1000) * ((double)seen[i] - 1000) / 1000;
            orders++;
        }
    assert_int_equal(orders, 24);
    assert_true(chi2 < 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_answers),
        cmocka_unit_test(a_purpose_is_the_start_of_its_sha256),
        cmocka_unit_test(seed_index_and_purpose_all_matter),
        cmocka_unit_test(uniform_is_24_bits),
        cmocka_unit_test(below_takes_the_first_fair_word),
        cmocka_unit_test(below_is_even_where_modulo_would_not_be),
        cmocka_unit_test(normal_is_the_exact_sum_rounded_once),
        cmocka_unit_test(shuffle_is_fisher_yates_from_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
