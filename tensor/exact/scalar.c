/* SPDX-License-Identifier: MIT */
#include "tensor/exact/scalar_tier.h"

const ScalarFunction *const scalar_functions[] = {
    &scalar_exp, &scalar_log, &scalar_sqrt, &scalar_rsqrt, &scalar_sigmoid, &scalar_log_sigmoid, &scalar_silu,
    &scalar_silu_grad, &scalar_quick_gelu, &scalar_quick_gelu_grad, &scalar_gelu, &scalar_gelu_grad, NULL
};

const ScalarFunction *scalar_find(const char *name)
{
    for (const ScalarFunction *const *f = scalar_functions; *f; f++)
        if (strcmp((*f)->name, name) == 0)
            return *f;
    return NULL;
}

size_t scalar_settle(bool (*tier2)(float, float *), const int32_t fails[LANES], const float *x, float *y, size_t n)
{
    for (size_t k = 0; k < n && k < LANES; k++)
        if (fails[k]) {
            if (x[k] != x[k])
                y[k] = float_nan();
            else if (!tier2(x[k], &y[k]))
                return k;
        }
    return n;
}

static bool decided(const ScalarFunction *f, const float *x, size_t at, size_t n, Error *e)
{
    return at == n ? true
         : error_set_kind(e, ERROR_UNDECIDED, "%s: the value at %a (bits %08x) lies too near the middle of two floats for every "
                                              "tier; one float was expected",
                     f->name, (double)x[at], (unsigned)float_bits(x[at]));
}

bool scalar_map(const ScalarFunction *f, const float *x, float *y, size_t n, Error *e)
{
    return decided(f, x, f->map(x, y, n, 1), n, e);
}

bool scalar_map_tier2(const ScalarFunction *f, const float *x, float *y, size_t n, Error *e)
{
    return decided(f, x, f->map(x, y, n, INFINITY), n, e);
}

bool scalar_value(const ScalarFunction *f, float x, float *y, Error *e)
{
    return scalar_map(f, &x, y, 1, e);
}
