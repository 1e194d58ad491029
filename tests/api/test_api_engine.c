/* SPDX-License-Identifier: MIT */
/* pulse_open refuses an engine for matrix products that computes wrong sums, so no call uses it. pulse_check finds an
 * engine that has become wrong since then. The engine below replaces the built-in one; it computes wrong sums while the
 * flag `wrong` is set. */
#include "tests/api/api_stand.h"

#include <stdatomic.h>
#include "tensor/product/engine.h"

static atomic_bool wrong;

static void sum(size_t m, size_t n, size_t length, Side a, const double *strips, bool add, double *c, size_t c_stride,
                double *scratch)
{
    (void)scratch;
    kernel_product(m, n, length, a, strips, length, add, c, c_stride);
    if (wrong)
        c[(m - 1) * c_stride + n - 1] += 0x1p-20;
}

static const char *name(void) { return "wrong on purpose"; }

const Engine engine_builtin = { .word = "builtin", .name = name, .width = KERNEL_COLS, .cols = 256, .sum = sum };

static void a_wrong_engine_is_found_when_a_context_is_opened(void **state)
{
    (void)state;
    wrong = true;
    expect_refused(pulse_open(NULL, &ctx), PULSE_ENVIRONMENT, "wrong on purpose");
    const char *text;
    expect_refused(pulse_engine(ctx, &text), PULSE_ENVIRONMENT, "wrong on purpose");
    pulse_close(ctx);
    wrong = false;
    expect_ok(pulse_open(NULL, &ctx));
    expect_ok(pulse_engine(ctx, &text));
    pulse_close(ctx);
}

static void an_engine_that_becomes_wrong_later_is_found_by_a_check(void **state)
{
    (void)state;
    expect_ok(pulse_open(NULL, &ctx));
    expect_ok(pulse_check(ctx));
    wrong = true;
    expect_refused(pulse_check(ctx), PULSE_ENVIRONMENT, "wrong on purpose");
    wrong = false;
    expect_ok(pulse_check(ctx));
    pulse_close(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_engine_is_found_when_a_context_is_opened),
        cmocka_unit_test(an_engine_that_becomes_wrong_later_is_found_by_a_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
