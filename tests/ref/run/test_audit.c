/* SPDX-License-Identifier: MIT */
/* The sample of an audit: which units are drawn, how often a changed unit is found, and with which probability. */
#include "ref/run/audit.h"
#include "tests/support/stand.h"

enum { UNITS = 100, SAMPLE = 60, SEEDS = 100 };
static const char chain[] = "5f0ced443de46dabfa1ab914886b3f8068e15b875f2bba077a1b900c3dae5ba6";

static bool drawn(const uint32_t *sample, size_t n, uint32_t unit)
{
    for (size_t k = 0; k < n; k++)
        if (sample[k] == unit)
            return true;
    return false;
}

static void a_sample_has_different_units_in_order(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        const uint32_t *s = audit_sample(chain, seed, UNITS, SAMPLE, &arena);
        assert_non_null(s);
        for (size_t k = 0; k < SAMPLE; k++)
            assert_true(s[k] < UNITS && (k == 0 || s[k - 1] < s[k]));
    }
    const uint32_t *all = audit_sample(chain, 7, UNITS, UNITS, &arena);
    for (uint32_t k = 0; k < UNITS; k++)
        assert_int_equal(all[k], k);
    assert_non_null(audit_sample(chain, 7, 0, 0, &arena));
}

static void the_seed_and_the_chain_decide_the_sample(void **state)
{
    (void)state;
    const uint32_t *s = audit_sample(chain, 7, UNITS, SAMPLE, &arena),
        *same = audit_sample(chain, 7, UNITS, SAMPLE, &arena);
    assert_memory_equal(s, same, SAMPLE * sizeof *s);
    assert_memory_not_equal(s, audit_sample(chain, 8, UNITS, SAMPLE, &arena), SAMPLE * sizeof *s);
    assert_memory_not_equal(s, audit_sample("another chain", 7, UNITS, SAMPLE, &arena), SAMPLE * sizeof *s);
}

/* One unit of 100 is changed, and 60 are computed again: of 100 seeds about 60 find it. The standard deviation of this
 * count is sqrt(24) = 4.9. The count is made for each of the 100 units; each must lie within four standard deviations
 * of 60. Their mean is exactly 60. */
static void one_changed_unit_of_100_is_found_by_60_of_100_seeds(void **state)
{
    (void)state;
    int found[UNITS] = { 0 };
    double squares = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        const uint32_t *s = audit_sample(chain, seed, UNITS, SAMPLE, &arena);
        for (uint32_t unit = 0; unit < UNITS; unit++)
            found[unit] += drawn(s, SAMPLE, unit);
    }
    for (uint32_t unit = 0; unit < UNITS; unit++) {
        assert_in_range(found[unit], 41, 79);
        squares += (found[unit] - 60.0) * (found[unit] - 60.0) / 24;
    }
    // each term has a mean of about 1, so the sum has a mean of about 100; its standard deviation is 14
    assert_true(squares > 60 && squares < 145);
}

static void probabilities_are_those_of_binomial_coefficients(void **state)
{
    (void)state;
    static const struct { size_t units, changed, sample; double expected; } known[] = {
        { 100, 1, 60, 0.6 },  { 100, 5, 60, 0.9912601 }, { 100, 20, 10, 0.9048837 }, { 100, 5, 10, 0.4162476 },
        { 6, 2, 2, 0.6 },
        { 100, 1, 0, 0 },     { 100, 1, 100, 1 },        { 100, 50, 51, 1 },         { 7, 7, 1, 1 },
    };
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        const double p = audit_probability(known[k].units, known[k].changed, known[k].sample),
            d = p - known[k].expected;
        assert_true(d < 1e-6 && d > -1e-6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(a_sample_has_different_units_in_order), stand_test(the_seed_and_the_chain_decide_the_sample),
        stand_test(one_changed_unit_of_100_is_found_by_60_of_100_seeds), stand_test(probabilities_are_those_of_binomial_coefficients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
