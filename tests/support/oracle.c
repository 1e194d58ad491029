/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>
#include "tensor/base/float.h"
#include "tests/support/oracle.h"

/* y is measured in units of the last bit of a float of its size, and rounded to a whole number of these. */
float oracle_float(const mpfr_t y)
{
    if (mpfr_nan_p(y))
        return float_nan();
    if (mpfr_inf_p(y) || mpfr_zero_p(y))
        return mpfr_get_flt(y, MPFR_RNDN);
    mpfr_exp_t e = mpfr_get_exp(y);                       // 2^(e-1) <= |y| < 2^e
    float sign = mpfr_signbit(y) ? -1.0f : 1.0f;
    if (e > 128)
        return sign * INFINITY;
    long last = e - 24 < -149 ? -149 : e - 24;            // exponent of the last place
    mpfr_t scaled;
    mpfr_init2(scaled, mpfr_get_prec(y));
    mpfr_mul_2si(scaled, y, -last, MPFR_RNDN);
    mpfr_rint(scaled, scaled, MPFR_RNDN);                 // ties to even; |scaled| <= 2^24
    double units = mpfr_get_d(scaled, MPFR_RNDN);
    mpfr_clear(scaled);
    double value = fabs(units) * double_from((uint64_t)(last + 1023) << 52);
    return sign * (float)value;                           // exact, or 2^128: inf
}

float oracle_round(OracleFormula f, const void *operands, int guard, long *bits)
{
    float lo = 0, hi = 0, mid = 0;
    long p = ORACLE_FIRST;
    for (; p <= ORACLE_LAST; p *= 2) {
        mpfr_t y, e;
        mpfr_inits2(p, y, e, (mpfr_ptr)0);
        f(y, operands);
        mid = oracle_float(y);
        bool plain = !mpfr_regular_p(y);
        mpfr_mul_2si(e, y, guard - p, MPFR_RNDA);
        mpfr_sub(e, y, e, MPFR_RNDN);                     // |y| - error, of y's sign
        lo = oracle_float(e);
        mpfr_mul_2si(e, y, guard - p, MPFR_RNDA);
        mpfr_add(e, y, e, MPFR_RNDN);
        hi = oracle_float(e);
        mpfr_clears(y, e, (mpfr_ptr)0);
        if (plain || lo == hi)
            break;
    }
    if (bits)
        *bits = p;
    return mid;
}

static void shortened(mpfr_t y, const void *value) { mpfr_set(y, *(const mpfr_t *)value, MPFR_RNDN); }

float oracle_nearest(const mpfr_t y) { return oracle_round(shortened, (const void *)y, 2, NULL); }

/* --- The scalar functions, written as their definitions. MPFR rounds every step correctly. The guard of 20 bits covers
 * these roundings, and extra precision covers the zeros of derivatives and tiny operands. --- */

#define WORK(y, extra) mpfr_prec_t wp = mpfr_get_prec(y) + (extra); mpfr_t a, b, c; mpfr_inits2(wp, a, b, c, (mpfr_ptr)0)
#define DONE mpfr_clears(a, b, c, (mpfr_ptr)0)

static float operand(const void *x) { return *(const float *)x; }

static void exp_formula(mpfr_t y, const void *x)  { mpfr_set_flt(y, operand(x), MPFR_RNDN); mpfr_exp(y, y, MPFR_RNDN); }
static void sqrt_formula(mpfr_t y, const void *x)
{
    mpfr_set_flt(y, operand(x), MPFR_RNDN);
    mpfr_sqrt(y, y, MPFR_RNDN);
}
static void log_formula(mpfr_t y, const void *x)  { mpfr_set_flt(y, operand(x), MPFR_RNDN); mpfr_log(y, y, MPFR_RNDN); }

static void rsqrt_formula(mpfr_t y, const void *x)
{
    mpfr_set_flt(y, operand(x), MPFR_RNDN);
    mpfr_rec_sqrt(y, y, MPFR_RNDN);
    if (operand(x) == 0)
        mpfr_set_inf(y, float_bits(operand(x)) >> 31 ? -1 : 1);
}

/* s = 1 / (1 + e^-z) */
static void sigmoid_into(mpfr_t s, mpfr_t z)
{
    mpfr_neg(s, z, MPFR_RNDN);
    mpfr_exp(s, s, MPFR_RNDN);
    mpfr_add_ui(s, s, 1, MPFR_RNDN);
    mpfr_ui_div(s, 1, s, MPFR_RNDN);
}

static void sigmoid_formula(mpfr_t y, const void *x)
{
    mpfr_set_flt(y, operand(x), MPFR_RNDN);
    mpfr_t s;
    mpfr_init2(s, mpfr_get_prec(y) + 160);
    sigmoid_into(s, y);
    mpfr_set(y, s, MPFR_RNDN);
    mpfr_clear(s);
}

static void log_sigmoid_formula(mpfr_t y, const void *x)
{
    float t = operand(x);
    mpfr_t w;
    mpfr_init2(w, mpfr_get_prec(y) + 40);
    mpfr_set_flt(w, t < 0 ? t : -t, MPFR_RNDN);
    mpfr_exp(w, w, MPFR_RNDN);
    mpfr_log1p(w, w, MPFR_RNDN);
    mpfr_set_flt(y, t < 0 ? t : -0.0f, MPFR_RNDN);
    mpfr_sub(y, y, w, MPFR_RNDN);
    mpfr_clear(w);
}

/* z = x or, if `quick`, 1.702 x, rounded to the working precision */
static void gate(mpfr_t z, float x, bool quick)
{
    mpfr_set_flt(z, x, MPFR_RNDN);
    if (quick) {
        mpfr_mul_ui(z, z, 1702, MPFR_RNDN);
        mpfr_div_ui(z, z, 1000, MPFR_RNDN);
    }
}

static void gated_formula(mpfr_t y, float x, bool quick)
{
    if (x - x != 0) {
        mpfr_set_flt(y, x == -INFINITY ? -0.0f : x, MPFR_RNDN);
        return;
    }
    WORK(y, 320);
    gate(b, x, quick);
    sigmoid_into(a, b);
    mpfr_set_flt(c, x, MPFR_RNDN);
    mpfr_mul(y, a, c, MPFR_RNDN);
    DONE;
}

static void gated_grad_formula(mpfr_t y, float x, bool quick)
{
    if (x - x != 0) {
        mpfr_set_flt(y, x == -INFINITY ? -0.0f : x == INFINITY ? 1.0f : x, MPFR_RNDN);
        return;
    }
    WORK(y, 320);
    gate(b, x, quick);
    sigmoid_into(a, b);
    mpfr_neg(c, b, MPFR_RNDN);
    sigmoid_into(c, c);                                   // 1 - s
    mpfr_mul(c, c, b, MPFR_RNDN);
    mpfr_add_ui(c, c, 1, MPFR_RNDN);
    mpfr_mul(y, a, c, MPFR_RNDN);
    DONE;
}

static void silu_formula(mpfr_t y, const void *x)            { gated_formula(y, operand(x), false); }
static void silu_grad_formula(mpfr_t y, const void *x)       { gated_grad_formula(y, operand(x), false); }
static void quick_gelu_formula(mpfr_t y, const void *x)      { gated_formula(y, operand(x), true); }
static void quick_gelu_grad_formula(mpfr_t y, const void *x) { gated_grad_formula(y, operand(x), true); }

/* erfc(-x / sqrt 2) / 2 */
static void normal_into(mpfr_t p, float x)
{
    mpfr_t root;
    mpfr_init2(root, mpfr_get_prec(p));
    mpfr_sqrt_ui(root, 2, MPFR_RNDN);
    mpfr_set_flt(p, -x, MPFR_RNDN);
    mpfr_div(p, p, root, MPFR_RNDN);
    mpfr_erfc(p, p, MPFR_RNDN);
    mpfr_div_2ui(p, p, 1, MPFR_RNDN);
    mpfr_clear(root);
}

static void gelu_formula(mpfr_t y, const void *x)
{
    float t = operand(x);
    if (t - t != 0) {
        mpfr_set_flt(y, t == -INFINITY ? -0.0f : t, MPFR_RNDN);
        return;
    }
    t = t < -40 ? -40 : t;                                // from -40 down |gelu| is under 2^-1000: rounded, -0
    WORK(y, t < 0x1p-30f && t > -0x1p-30f ? 320 : 40);
    normal_into(a, t);
    mpfr_set_flt(c, t, MPFR_RNDN);
    mpfr_mul(y, a, c, MPFR_RNDN);
    DONE;
}

static void gelu_grad_formula(mpfr_t y, const void *x)
{
    float t = operand(x);
    if (t - t != 0) {
        mpfr_set_flt(y, t == -INFINITY ? -0.0f : t == INFINITY ? 1.0f : t, MPFR_RNDN);
        return;
    }
    t = t < -40 ? -40 : t > 40 ? 40 : t;
    WORK(y, t < 0x1p-30f && t > -0x1p-30f ? 320 : 60);
    normal_into(a, t);
    mpfr_set_flt(b, t, MPFR_RNDN);
    mpfr_sqr(c, b, MPFR_RNDN);
    mpfr_div_2ui(c, c, 1, MPFR_RNDN);
    mpfr_neg(c, c, MPFR_RNDN);
    mpfr_exp(c, c, MPFR_RNDN);
    mpfr_mul(b, b, c, MPFR_RNDN);                         // t e^(-t^2/2)
    mpfr_const_pi(c, MPFR_RNDN);
    mpfr_mul_2ui(c, c, 1, MPFR_RNDN);
    mpfr_sqrt(c, c, MPFR_RNDN);
    mpfr_div(b, b, c, MPFR_RNDN);
    mpfr_add(y, a, b, MPFR_RNDN);
    DONE;
}

OracleFormula oracle_scalar(const char *name)
{
#define ROW(f) { #f, f##_formula }
    static const struct { const char *name; OracleFormula f; } table[] = {
        ROW(exp), ROW(log), ROW(sqrt), ROW(rsqrt), ROW(sigmoid), ROW(log_sigmoid), ROW(silu), ROW(silu_grad),
        ROW(quick_gelu), ROW(quick_gelu_grad), ROW(gelu), ROW(gelu_grad)
    };
#undef ROW
    for (size_t k = 0; k < sizeof table / sizeof *table; k++)
        if (strcmp(table[k].name, name) == 0)
            return table[k].f;
    return NULL;
}

float oracle_scalar_value(const char *name, float x)
{
    return x == x ? oracle_round(oracle_scalar(name), &x, ORACLE_GUARD, NULL) : float_nan();
}
