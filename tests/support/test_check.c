/* SPDX-License-Identifier: MIT */
/* The checks themselves: data depends on kind and seed alone, finite and subnormal data are what their names say, and
 * the first failure of an Error is kept. */
#include "tests/support/check.h"

#include <math.h>
#include "tensor/base/float.h"

static void data_is_a_function_of_kind_and_seed(void **state)
{
    (void)state;
    float a[300], b[300];
    for (DataKind kind = 0; kind < DATA_KINDS; kind++) {
        data_fill(kind, 7, a, 300);
        data_fill(kind, 7, b, 300);
        expect_bits(a, b, 300, "%s twice", data_name(kind));
        data_fill(kind, 8, b, 300);
        assert_memory_not_equal(a, b, sizeof a);
    }
}

static void finite_kinds_are_finite_and_special_ones_are_not(void **state)
{
    (void)state;
    float x[2000];
    for (DataKind kind = 0; kind <= DATA_SPECIAL; kind++) {
        size_t finite = 0;
        data_fill(kind, check_seed(), x, 2000);
        for (size_t i = 0; i < 2000; i++)
            finite += isfinite(x[i]) != 0;
        if (kind < DATA_FINITE)
            assert_int_equal(finite, 2000);
        else
            assert_in_range(finite, 1, 1999);
    }
}

static void subnormal_data_reaches_below_the_smallest_normal(void **state)
{
    (void)state;
    float x[200];
    size_t below = 0;
    data_fill(DATA_SUBNORMAL, check_seed(), x, 200);
    for (size_t i = 0; i < 200; i++) {
        assert_true(fabsf(x[i]) < 0x1p-125f);
        below += fabsf(x[i]) < FLT_MIN;
    }
    assert_in_range(below, 50, 199);
}

static void the_first_failure_is_kept(void **state)
{
    (void)state;
    Error e = { 0 };
    error_set(&e, "add: shapes %s and %s differ", "[3]", "[4]");
    error_set(&e, "later");
    expect_sentence(&e, "add", "[3]", "[4]");
    expect_fine(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_is_a_function_of_kind_and_seed),
        cmocka_unit_test(finite_kinds_are_finite_and_special_ones_are_not),
        cmocka_unit_test(subnormal_data_reaches_below_the_smallest_normal),
        cmocka_unit_test(the_first_failure_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
