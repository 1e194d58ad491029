/* SPDX-License-Identifier: MIT */
/* The floating-point environment: a wrong setting, in this thread or in another, is refused and named. */
#include "tests/support/check.h"

#include <fenv.h>
#include <string.h>
#include "tensor/base/float.h"
#include "tensor/base/team.h"
#ifdef __SSE2__
#include <xmmintrin.h>
enum { FLUSH_RESULTS = 0x8000, FLUSH_OPERANDS = 0x0040 };
#endif

/* call(&e) must fail with an error that contains `part`. The environment is put right afterwards. */
#define assert_names(part, call) \
    do { Error e = { .failed = false }; bool right_ = call(&e); put_right(); \
         if (right_ || !strstr(e.text, part)) fail_msg("the error is \"%s\", expected one with \"%s\"", e.text, part); } while (0)

static void put_right(void)
{
    fesetround(FE_TONEAREST);
#ifdef __SSE2__
    _mm_setcsr(_mm_getcsr() & ~(unsigned)(FLUSH_RESULTS | FLUSH_OPERANDS));
#endif
}

static void the_environment_of_ieee_754_is_right(void **state)
{
    (void)state;
    Error e = { .failed = false };
    assert_true(float_env_check(&e) && float_env_check_threads(&e));
}

static void another_rounding_mode_is_refused(void **state)
{
    (void)state;
    static const int modes[] = { FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO };
    for (size_t k = 0; k < sizeof modes / sizeof *modes; k++) {
        fesetround(modes[k]);
        assert_names("rounding mode is not to nearest", float_env_check);
    }
}

#ifdef __SSE2__
static void flushed_results_and_operands_are_told_apart(void **state)
{
    (void)state;
    if (!check_can_flush())
        skip();
    _mm_setcsr(_mm_getcsr() | FLUSH_RESULTS);
    assert_names("(FTZ)", float_env_check);
    _mm_setcsr(_mm_getcsr() | FLUSH_OPERANDS);
    assert_names("(DAZ)", float_env_check);
}

static void flush_others(const void *data, size_t begin, size_t end, size_t worker)
{
    (void)data, (void)begin, (void)end;
    if (worker != 0)
        _mm_setcsr(_mm_getcsr() | FLUSH_RESULTS);
}

static void right_others(const void *data, size_t begin, size_t end, size_t worker)
{
    (void)data, (void)begin, (void)end;
    if (worker != 0)
        put_right();
}

static void threads_that_flush_are_refused(void **state)
{
    (void)state;
    if (!check_can_flush())
        skip();
    team_set_size(3);
    team_each(flush_others, NULL, NULL);
    assert_names("a thread flushes", float_env_check_threads);
    team_each(right_others, NULL, NULL);
    Error e = { 0 };
    assert_true(float_env_check_threads(&e));
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_of_ieee_754_is_right),
        cmocka_unit_test(another_rounding_mode_is_refused),
#ifdef __SSE2__
        cmocka_unit_test(flushed_results_and_operands_are_told_apart),
        cmocka_unit_test(threads_that_flush_are_refused),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
