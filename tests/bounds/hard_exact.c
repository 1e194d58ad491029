/* SPDX-License-Identifier: MIT */
/* The exact results of hard cases (hard.h), computed with MPFR from the formulas of the operators. This file shares no
 * code with tensor/ops. For each bound of an operator's estimate (tensor/exact/bounds.def), it knows one operator or
 * more with this bound. */
#include "tests/bounds/hard.h"

#include <math.h>
#include <string.h>
#include "tensor/ops.h"
#include "tests/support/oracle.h"

enum { BITS = 700, REGISTERS = 8 };

static mpfr_t r[REGISTERS];             // intermediate results; plus() overwrites r[7]
static const Hard *call;                // the case that is being computed

static void ready(void)
{
    static bool made;
    for (int k = 0; k < REGISTERS && !made; k++)
        mpfr_init2(r[k], BITS);
    made = true;
}

/* Element i of input k of the call, and how many elements input k has. */
static double x(size_t k, size_t i) { return call->in[k].f32[i]; }
static size_t size(size_t k)        { return shape_size(call->in[k].shape); }

/* y += a b c */
static void plus(mpfr_t y, double a, double b, double c)
{
    mpfr_set_d(r[7], a, MPFR_RNDN);
    mpfr_mul_d(r[7], r[7], b, MPFR_RNDN);
    mpfr_mul_d(r[7], r[7], c, MPFR_RNDN);
    mpfr_add(y, y, r[7], MPFR_RNDN);
}

static void zero(mpfr_t y) { mpfr_set_zero(y, 1); }

/* --- sums --- */

static void sum(mpfr_t y, size_t i)
{
    (void)i;
    zero(y);
    for (size_t k = 0; k < size(0); k++)
        plus(y, x(0, k), 1, 1);
}

static void mean(mpfr_t y, size_t i)
{
    sum(y, i);
    mpfr_div_ui(y, y, (unsigned long)call->attrs.n[MEAN_N], MPFR_RNDN);
}

static void square_sum(mpfr_t y, size_t i)
{
    (void)i;
    zero(y);
    for (size_t k = 0; k < size(0); k++)
        plus(y, x(0, k), x(0, k), 1);
}

static void square_norm(mpfr_t y, size_t i)
{
    square_sum(y, i);
    mpfr_sqrt(y, y, MPFR_RNDN);
}

static void column_sum(mpfr_t y, size_t i)
{
    zero(y);
    for (size_t k = i; k < size(0); k += call->in[0].shape.dim[1])
        plus(y, x(0, k), 1, 1);
}

static void column_dot(mpfr_t y, size_t i)
{
    zero(y);
    for (size_t k = i; k < size(0); k += call->in[0].shape.dim[1])
        plus(y, x(0, k), x(1, k), 1);
}

static void sum_n(mpfr_t y, size_t i)
{
    zero(y);
    for (size_t k = 0; k < call->n_in; k++)
        plus(y, x(k, i), 1, 1);
}

static void kl(mpfr_t y, size_t i)
{
    (void)i;
    zero(y);
    for (size_t k = 0; k < size(0); k++) {
        plus(y, x(0, k), x(1, k), 1);
        plus(y, x(0, k), x(2, k), -1);
    }
}

/* The left operand has one row, so element i of the result belongs to row i of the weights. */
static void linear(mpfr_t y, size_t i)
{
    zero(y);
    for (size_t k = 0; k < size(0); k++)
        plus(y, x(0, k), x(1, i * size(0) + k), 1);
    if (call->n_in > 2)
        plus(y, x(2, i), 1, 1);
}

/* w and b have one row: y = w[i] + s sum_k b[k] a[k,i]. */
static void lora_merge(mpfr_t y, size_t i)
{
    zero(y);
    for (size_t k = 0; k < size(1); k++)
        plus(y, x(1, k), x(2, k * size(0) + i), call->attrs.f[LORA_MERGE_S]);
    plus(y, x(0, i), 1, 1);
}

static void softmax_grad(mpfr_t y, size_t i)
{
    zero(y);
    for (size_t k = 0; k < size(0); k++)
        plus(y, x(0, k), x(1, k), -1);
    plus(y, x(1, i), 1, 1);
    mpfr_mul_d(y, y, x(0, i), MPFR_RNDN);
}

/* --- formulas that binary64 computes with one rounding --- */

static void axpy(mpfr_t y, size_t i)
{
    zero(y);
    plus(y, call->attrs.f[AXPY_S], x(1, i), 1);
    plus(y, x(0, i), 1, 1);
}

static void affine_rows(mpfr_t y, size_t i)
{
    zero(y);
    plus(y, x(0, i), x(1, i), 1);
    plus(y, x(2, i), 1, 1);
}

/* One head at one position: the tables of cosines and sines have one row, of half the length of x. */
static void rope(mpfr_t y, size_t i)
{
    size_t half = size(1), c = i % half;
    zero(y);
    plus(y, x(0, i), x(1, c), 1);
    plus(y, x(0, i < half ? i + half : i - half), x(2, c), i < half ? -1 : 1);
}

static void momentum(mpfr_t y, size_t i)
{
    zero(y);
    plus(y, call->attrs.f[MOMENTUM_MOMENTUM], x(0, i), 1);
    plus(y, x(1, i), 1, 1);
}

/* --- steps --- */

/* max_norm / (norm + 10^-6), at most 1; numerator and denominator are multiplied by 10^6 */
static void clip_factor(mpfr_t y, size_t i)
{
    (void)i;
    mpfr_set_d(y, x(0, 0) * 1e6, MPFR_RNDN);                 // 24 + 20 bits: exact
    mpfr_add_ui(y, y, 1, MPFR_RNDN);
    mpfr_d_div(y, call->attrs.f[CLIP_FACTOR_MAX_NORM] * 1e6, y, MPFR_RNDN);
    if (mpfr_cmp_ui(y, 1) > 0)
        mpfr_set_ui(y, 1, MPFR_RNDN);
}

static void sgd(mpfr_t y, size_t i)
{
    const double lr = call->attrs.f[SGD_LR], decay = call->attrs.f[SGD_DECAY];
    zero(y);
    plus(y, x(0, i), 1, 1);
    plus(y, x(1, i), -lr, 1);
    plus(y, x(0, i), -lr, decay);
}

static void adam_m(mpfr_t y, size_t i)
{
    const double b = call->attrs.f[ADAM_M_BETA1];
    zero(y);
    plus(y, b, x(0, i), 1);
    plus(y, x(1, i), 1, 1);
    plus(y, x(1, i), -b, 1);
}

static void adam_v(mpfr_t y, size_t i)
{
    const double b = call->attrs.f[ADAM_V_BETA2], g = x(1, i);
    zero(y);
    plus(y, b, x(0, i), 1);
    plus(y, g, g, 1);
    plus(y, g, g, -b);
}

static void adamw(mpfr_t y, size_t i)
{
    const Attrs *a = &call->attrs;
    mpfr_set_d(r[0], x(2, i), MPFR_RNDN);
    mpfr_div_d(r[0], r[0], a->d[ADAM_C2], MPFR_RNDN);
    mpfr_sqrt(r[0], r[0], MPFR_RNDN);
    mpfr_add_d(r[0], r[0], a->f[ADAM_EPS], MPFR_RNDN);
    mpfr_mul_d(r[0], r[0], a->d[ADAM_C1], MPFR_RNDN);
    mpfr_d_div(y, x(1, i), r[0], MPFR_RNDN);
    plus(y, x(0, i), a->f[ADAM_DECAY], 1);
    mpfr_mul_d(y, y, -(double)a->f[ADAM_LR], MPFR_RNDN);
    plus(y, x(0, i), 1, 1);
}

/* --- operators that work row by row; the matrix has one row --- */

/* r[0] = the sum of e^(x_k - x_i) over all k except `without`; SIZE_MAX leaves out none */
static void powers(size_t i, size_t without)
{
    zero(r[0]);
    for (size_t k = 0; k < size(0); k++) {
        if (k == without)
            continue;
        mpfr_set_d(r[1], x(0, k), MPFR_RNDN);
        mpfr_sub_d(r[1], r[1], x(0, i), MPFR_RNDN);
        mpfr_exp(r[1], r[1], MPFR_RNDN);
        mpfr_add(r[0], r[0], r[1], MPFR_RNDN);
    }
}

static void softmax(mpfr_t y, size_t i)
{
    powers(i, SIZE_MAX);
    mpfr_ui_div(y, 1, r[0], MPFR_RNDN);
}

static void log_softmax(mpfr_t y, size_t i)
{
    powers(i, i);
    mpfr_log1p(y, r[0], MPFR_RNDN);
    mpfr_neg(y, y, MPFR_RNDN);
}

static void nll(mpfr_t y, size_t i)
{
    (void)i;
    log_softmax(y, (size_t)call->index[0]);
    mpfr_neg(y, y, MPFR_RNDN);
}

/* Computes the moments of a row x: r[2] = the mean if `centred`, else 0; r[3] = the mean of (x - r[2])^2, plus eps.
 * With `backward`, the second operand is dn, the gradient of the normalised row: r[4] = the mean of dn if `centred`,
 * else 0; r[5] = the mean of dn (x - r[2]), divided by r[3]. Without `backward`, r[4] and r[5] are 0. */
static void moments(bool centred, bool backward)
{
    const unsigned long n = size(0);
    zero(r[2]), zero(r[3]), zero(r[4]), zero(r[5]);
    for (size_t k = 0; k < n && centred; k++) {
        plus(r[2], x(0, k), 1, 1);
        if (backward)
            plus(r[4], x(1, k), 1, 1);
    }
    mpfr_div_ui(r[2], r[2], n, MPFR_RNDN);
    mpfr_div_ui(r[4], r[4], n, MPFR_RNDN);
    for (size_t k = 0; k < n; k++) {
        mpfr_d_sub(r[0], x(0, k), r[2], MPFR_RNDN);
        if (backward) {
            mpfr_mul_d(r[1], r[0], x(1, k), MPFR_RNDN);
            mpfr_add(r[5], r[5], r[1], MPFR_RNDN);
        }
        mpfr_sqr(r[0], r[0], MPFR_RNDN);
        mpfr_add(r[3], r[3], r[0], MPFR_RNDN);
    }
    mpfr_div_ui(r[3], r[3], n, MPFR_RNDN);
    mpfr_add_d(r[3], r[3], call->attrs.f[NORM_EPS], MPFR_RNDN);
    mpfr_div_ui(r[5], r[5], n, MPFR_RNDN);
    mpfr_div(r[5], r[5], r[3], MPFR_RNDN);
}

static void norm(mpfr_t y, size_t i, bool centred, bool backward)
{
    moments(centred, backward);
    mpfr_d_sub(y, x(0, i), r[2], MPFR_RNDN);
    if (backward) {
        mpfr_mul(r[5], r[5], y, MPFR_RNDN);
        mpfr_d_sub(y, x(1, i), r[4], MPFR_RNDN);
        mpfr_sub(y, y, r[5], MPFR_RNDN);
    }
    mpfr_sqrt(r[3], r[3], MPFR_RNDN);
    mpfr_div(y, y, r[3], MPFR_RNDN);
}

static void layernorm(mpfr_t y, size_t i)    { norm(y, i, true, false); }
static void rmsnorm(mpfr_t y, size_t i)      { norm(y, i, false, false); }
static void layernorm_dx(mpfr_t y, size_t i) { norm(y, i, true, true); }
static void rmsnorm_dx(mpfr_t y, size_t i)   { norm(y, i, false, true); }

static const struct { const char *name; void (*value)(mpfr_t y, size_t i); } formulas[] = {
    { "sum", sum }, { "mean", mean }, { "square_sum", square_sum }, { "square_norm", square_norm },
    { "column_sum", column_sum }, { "column_dot", column_dot }, { "scatter_rows", column_sum }, { "sum_n", sum_n },
    { "kl", kl }, { "linear", linear }, { "lora_merge", lora_merge }, { "softmax_grad", softmax_grad },
    { "axpy", axpy }, { "affine_rows", affine_rows }, { "rope", rope }, { "momentum", momentum },
    { "clip_factor", clip_factor }, { "sgd", sgd }, { "adam_m", adam_m }, { "adam_v", adam_v }, { "adamw", adamw },
    { "softmax", softmax }, { "log_softmax", log_softmax }, { "nll", nll }, { "layernorm", layernorm },
    { "rmsnorm", rmsnorm }, { "layernorm_dx", layernorm_dx }, { "rmsnorm_dx", rmsnorm_dx },
};
enum { FORMULAS = sizeof formulas / sizeof *formulas };

bool hard_knows(const char *op)
{
    for (size_t k = 0; k < FORMULAS; k++)
        if (strcmp(formulas[k].name, op) == 0)
            return true;
    return oracle_scalar(op) != NULL;
}

void hard_exact(mpfr_t y, const Hard *h, size_t i)
{
    ready();
    call = h;
    for (size_t k = 0; k < FORMULAS; k++)
        if (strcmp(formulas[k].name, h->op->name) == 0) {
            formulas[k].value(y, i);
            return;
        }
    oracle_scalar(h->op->name)(y, &h->in[0].f32[i]);
}

float hard_nearest(const Hard *h, size_t i)
{
    mpfr_t y;
    mpfr_init2(y, BITS);
    hard_exact(y, h, i);
    float f = mpfr_regular_p(y) ? oracle_nearest(y) : oracle_float(y);
    mpfr_clear(y);
    return f;
}
