/* SPDX-License-Identifier: MIT */
/* The distance of two tensors: differing bits, ULP, and the scaled error. */
#include "tests/support/check.h"

#include <math.h>
#include "tensor/distance.h"
#include "tensor/base/float.h"

static Distance floats(size_t n, float *a, float *b)
{
    Tensor x = tensor_view(a, shape_of(1, n)), y = tensor_view(b, shape_of(1, n));
    return distance_of(&x, &y);
}

static void equal_bits_are_no_distance(void **state)
{
    (void)state;
    float a[6] = { 1, -0.f, INFINITY, float_nan(), 0x1p-149f, 3e38f };
    Distance d = floats(6, a, a);
    assert_true(d.total == 6 && d.differ == 0 && d.nan == 0 && d.ulp == 0 && d.error == 0 && distance_scaled(&d) == 0);
    d = floats(0, a, a);
    assert_true(d.total == 0 && d.differ == 0);
}

static void distances_are_counted_in_steps_and_scaled_by_the_reference(void **state)
{
    (void)state;
    float a[5] = { 4, 1, 0.f, -0x1p-149f, -8 }, b[5] = { 4, nextafterf(nextafterf(1, 2), 2), -0.f, 0x1p-149f, -7 };
    Distance d = floats(5, a, b);
    assert_int_equal(d.differ, 4);                 // +0 and -0 differ in bits
    assert_int_equal(d.ulp, 1 << 21);              // -8 to -7: a quarter of the 2^23 steps from 4 to 8
    assert_true(d.error == 1 && d.scale == 8 && distance_scaled(&d) == 0.125);
    assert_true(d.first == 1 && d.worst == 4);
    d = floats(4, a, b);
    assert_int_equal(d.ulp, 2);
    d = floats(1, a + 3, b + 3);
    assert_int_equal(d.ulp, 2);                    // across zero: +0 and -0 are the same place
    d = floats(1, a + 2, b + 2);
    assert_true(d.differ == 1 && d.ulp == 0 && distance_scaled(&d) == 0);
    d = floats(1, a + 2, b);
    assert_true(isinf(distance_scaled(&d)));       // the reference is zero, the other is 4
}

static void nans_are_counted_and_infinity_is_one_step_above_the_largest_float(void **state)
{
    (void)state;
    float a[3] = { float_nan(), 1, INFINITY }, b[3] = { float_from(0x7fc00001), float_nan(), 3.4028235e38f };
    Distance d = floats(3, a, b);
    assert_true(d.differ == 3 && d.nan == 2 && d.ulp == 1 && isinf(d.error) && d.scale == 1);
    assert_true(d.first == 0 && d.worst == 2);
}

static void every_dtype_has_its_own_steps(void **state)
{
    (void)state;
    uint16_t h[2] = { 0x3c00, 0x8001 }, g[2] = { 0x3c02, 0x0001 };
    double f[1] = { -DBL_MAX }, k[1] = { DBL_MAX };
    int64_t l[1] = { INT64_MIN }, m[1] = { INT64_MAX };
    int32_t i[1] = { -2 }, j[1] = { 5 };
    uint8_t u[1] = { 255 }, v[1] = { 0 };
    const Shape two = shape_of(1, (size_t)2), one = shape_of(0);
    const struct { Tensor a, b; uint64_t ulp; double error; } cases[] = {
        { { two, F16, { .half = h } }, { two, F16, { .half = g } }, 2, 2 * 0x1p-10 },
        { { two, BF16, { .half = h } }, { two, BF16, { .half = g } }, 2, 2 * 0x1p-14 },
        { { one, F64, { .f64 = f } }, { one, F64, { .f64 = k } }, 2 * double_bits(DBL_MAX), INFINITY },
        { { one, I64, { .i64 = l } }, { one, I64, { .i64 = m } }, UINT64_MAX, 0x1p64 },
        { { one, I32, { .i32 = i } }, { one, I32, { .i32 = j } }, 7, 7 },
        { { one, U8, { .u8 = u } }, { one, U8, { .u8 = v } }, 255, 255 },
    };
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        const Distance d = distance_of(&cases[n].a, &cases[n].b), back = distance_of(&cases[n].b, &cases[n].a);
        assert_true(d.ulp == cases[n].ulp && back.ulp == d.ulp);
        assert_true(d.error == cases[n].error);
    }
    assert_true(tensor_value(&cases[0].a, 0) == 1 && tensor_value_bits(&cases[0].a, 0) == 0x3c00);
    assert_true(tensor_value(&cases[4].a, 0) == -2 && tensor_value_bits(&cases[4].a, 0) == 0xfffffffe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_bits_are_no_distance),
        cmocka_unit_test(distances_are_counted_in_steps_and_scaled_by_the_reference),
        cmocka_unit_test(nans_are_counted_and_infinity_is_one_step_above_the_largest_float),
        cmocka_unit_test(every_dtype_has_its_own_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
