/* SPDX-License-Identifier: MIT */
#include "tensor/base/float.h"

#include <stdatomic.h>
#include "tensor/base/team.h"

/* What is wrong with the calling thread's environment, in words; NULL: nothing. The operands are volatile, so that the
 * compiler cannot compute the results in advance. */
static const char *environment_fault(void)
{
    volatile float tiny = 0x1p-149f, half = 0.5f, one = 1.0f;
    volatile double small = 0x1p-1074, dhalf = 0.5, unit = 1.0, u = 0x1p-53;
    volatile float kept = 0x1p-126f * half;
    volatile double dkept = 0x1p-1022 * dhalf;
    if (fegetround() != FE_TONEAREST)
        return "the rounding mode is not to nearest";
    if (tiny * 0x1p100f == 0.0f || small * 0x1p200 == 0.0)
        return "subnormal operands are read as zero (DAZ)";
    if (kept == 0.0f || dkept == 0.0)
        return "subnormal results are flushed to zero (FTZ)";
    volatile float f = one + 0x1p-24f, above = one + 0x1.8p-24f;
    volatile double d = unit + u, dabove = unit + 1.5 * u;
    if (f != 1.0f || d != 1.0 || above != 1.0f + 0x1p-23f || dabove != 1.0 + 0x1p-52)
        return "results are not rounded to nearest even (excess precision or another rounding mode)";
    return NULL;
}

bool float_env_check(Error *e)
{
    const char *fault = environment_fault();
    return fault ? error_set_kind(e, ERROR_ENVIRONMENT, "floating-point environment: %s; IEEE 754 round-to-nearest with gradual "
                                                        "underflow was expected", fault) : true;
}

void float_env_fail(Error *e)
{
    error_set_kind(e, ERROR_ENVIRONMENT, "floating-point environment: a thread flushes subnormals or rounds "
                                         "otherwise; IEEE 754 round-to-nearest with gradual underflow was expected");
}

static void check_thread(const void *right, size_t begin, size_t end, size_t worker)
{
    (void)begin, (void)end, (void)worker;
    if (environment_fault())
        atomic_store(*(atomic_bool *const *)right, false);
}

bool float_env_check_threads(Error *e)
{
    atomic_bool right = true, *to_right = &right;
    if (!float_env_check(e))
        return false;
    team_each(check_thread, &to_right, NULL);
    if (!right)
        float_env_fail(e);
    return right;
}
