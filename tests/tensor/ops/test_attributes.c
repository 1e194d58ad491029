/* SPDX-License-Identifier: MIT */
/* Attributes by name: attrs_set puts a value where the operator's enum says, or says why not. */
#include "tests/support/check.h"

#include <math.h>
#include <string.h>
#include "tensor/ops.h"

static void every_attribute_of_every_operator_is_found_by_its_name(void **state)
{
    (void)state;
    for (size_t k = 0; k < ops_count; k++) {
        Attrs set = { .index_count = 0 }, want = set;
        Error e = { 0 };
        double value = 1;
        for (size_t i = 0; i < OP_FLOATS && ops[k]->floats[i]; i++, value++)
            want.f[i] = (float)value, attrs_set(&set, ops[k], ops[k]->floats[i], value, &e);
        for (size_t i = 0; i < OP_REALS && ops[k]->reals[i]; i++, value++)
            want.d[i] = value, attrs_set(&set, ops[k], ops[k]->reals[i], value, &e);
        for (size_t i = 0; i < OP_INTS && ops[k]->ints[i]; i++, value++)
            want.n[i] = (int64_t)value, attrs_set(&set, ops[k], ops[k]->ints[i], value, &e);
        expect_fine(&e);
        assert_memory_equal(set.f, want.f, sizeof want.f);
        assert_memory_equal(set.d, want.d, sizeof want.d);
        assert_memory_equal(set.n, want.n, sizeof want.n);
    }
}

static void a_name_leads_to_the_index_of_its_enum(void **state)
{
    (void)state;
    Attrs a = { .index_count = 0 };
    Error e = { 0 };
    const Op *adamw = op_find("adamw"), *mix = op_find("attention_mix"), *reshape = op_find("reshape");
    attrs_set(&a, adamw, "decay", 0.1, &e);
    attrs_set(&a, adamw, "c2", 0.1, &e);
    attrs_set(&a, mix, "causal", 1, &e);
    attrs_set(&a, mix, "rows", 0x1p62, &e);
    attrs_set(&a, reshape, "dim0", -0x1p63, &e);
    expect_fine(&e);
    assert_true(a.f[ADAM_DECAY] == 0.1f);                  // the nearest float
    assert_true(a.d[ADAM_C2] == 0.1);                      // binary64 as it is
    assert_int_equal(a.n[ATTENTION_CAUSAL], 1);
    assert_true(a.n[ATTENTION_ROWS] == (int64_t)1 << 62);
    assert_true(a.n[RESHAPE_DIM] == INT64_MIN);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    static const struct { const char *op, *name; double value; const char *sentence; } cases[] = {
        { "adamw", "beta1", 0.9, "adamw: there is no attribute beta1" },
        { "add", "s", 1, "add: there is no attribute s" },
        { "adamw", "lr", NAN, "adamw: the attribute lr is nan, expected a number" },
        { "adamw", "c1", NAN, "adamw: the attribute c1 is nan, expected a number" },
        { "mean", "n", NAN, "mean: the attribute n is nan, expected a number" },
        { "mean", "n", 0.5, "mean: the attribute n is 0.5, expected an integer from -2^63 to 2^63 - 1" },
        { "mean", "n", 0x1p63, "mean: the attribute n is 9.2233720368547758e+18, expected an integer" },
        { "mean", "n", -INFINITY, "mean: the attribute n is -inf, expected an integer" },
        { "scale", "s", 1e39, "scale: the attribute s is 9.9999999999999994e+38, expected a number that fp32 can hold" },
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const Attrs before = { .f = { 7, 7 }, .d = { 7, 7 }, .n = { 7, 7 } };
        Attrs a = before;
        Error e = { 0 };
        assert_false(attrs_set(&a, op_find(cases[k].op), cases[k].name, cases[k].value, &e));
        expect_sentence(&e, cases[k].sentence);
        assert_true(a.f[0] == 7 && a.d[0] == 7 && a.n[0] == 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_attribute_of_every_operator_is_found_by_its_name),
        cmocka_unit_test(a_name_leads_to_the_index_of_its_enum),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
