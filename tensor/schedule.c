/* SPDX-License-Identifier: MIT */
/* Schedules: the learning rate of step t is the float nearest to
 *
 *     warm-up   lr t / warmup
 *     linear    lr (floor (t - hold) + (steps - t)) / (steps - hold)
 *     cosine    lr (floor + (1 - floor) (1 + cos(pi x)) / 2),  x = (t - hold)/(steps - hold)
 *
 * The first two are rational numbers, which are compared exactly with the midpoints between floats. The cosine is
 * rational only where 2 x or 3 x is an integer (Niven's theorem), and there it is compared exactly as well. Elsewhere
 * the cosine is irrational, so the value is never a midpoint, and enough bits always decide. */
#include "tensor/exact/angle.h"
#include "tensor/exact/exact.h"
#include "tensor/optimiser.h"
#include "tensor/exact/round.h"

/* The number sum / divisor, where each term of the sum was a product of at most three numbers of 24, 24 and 32 bits. */
typedef struct {
    Exact sum;
    double divisor;
} Ratio;

static void add_product(Exact *s, double a, double b)
{
    dd p = dd_product(a, b);
    exact_add(s, p.h);
    exact_add(s, p.l);
}

static int ratio_compare(const void *value, double m)
{
    const Ratio *r = value;
    Exact s = r->sum;
    add_product(&s, -m, r->divisor);
    return exact_sign(&s);
}

/* The quotient v in binary64 is within 3 of its ulps of the ratio. So the float nearest to the ratio lies between the
 * floats nearest to v (1 - 2^-22) and v (1 + 2^-22), and exact comparisons find it. */
static float ratio_round(const Ratio *r)
{
    double high, low;
    exact_split(&r->sum, &high, &low);
    double v = high / r->divisor;
    return round_compare((float)(v * (1 - 0x1p-22)), (float)(v * (1 + 0x1p-22)), ratio_compare, r);
}

static float warmup_lr(const Schedule *s, int64_t t)
{
    Ratio r = { exact_zero(), (double)s->warmup };
    add_product(&r.sum, s->lr, (double)t);
    return ratio_round(&r);
}

static float linear_lr(const Schedule *s, int64_t t)
{
    Ratio r = { exact_zero(), (double)(s->steps - s->hold) };
    add_product(&r.sum, (double)s->lr * s->floor, (double)(t - s->hold));
    add_product(&r.sum, s->lr, (double)(s->steps - t));
    return ratio_round(&r);
}

/* lr (2 floor + (1 - floor)(1 + c)) / 2 = (lr (1 + c) + lr floor (1 - c)) / 2, for the cosine c; 2 c is a whole
 * number. */
static float cosine_rational(const Schedule *s, double twice_cosine)
{
    Ratio r = { exact_zero(), 4 };
    add_product(&r.sum, s->lr, 2 + twice_cosine);
    add_product(&r.sum, (double)s->lr * s->floor, 2 - twice_cosine);
    return ratio_round(&r);
}

static bool cosine_lr(const Schedule *s, int64_t t, float *lr, Error *e)
{
    int64_t num = t - s->hold, den = s->steps - s->hold;
    if (3 * num % den == 0)
        return *lr = cosine_rational(s, (double[]){ 2, 1, -1, -2 }[3 * num / den]), true;
    if (2 * num == den)
        return *lr = cosine_rational(s, 0), true;
    /* absolute errors, in units of lr: that of the cosine is less than 2^-95, and the sums and products that follow add
     * less than 2^-98; 2^-93 is claimed */
    dd c = angle_cos_pi(num, den), plus = dd_add_d(c, 1), minus = dd_add_d(dd_neg(c), 1);
    dd v = dd_scale(dd_add(dd_mul_d(plus, s->lr), dd_mul_d(minus, (double)s->lr * s->floor)), 0.5);
    return dd_round_abs(v, 0x1p-93 * s->lr, lr)
        || error_set_kind(e, ERROR_UNDECIDED, "schedule: the cosine of step %lld of %lld is not decided by 93 bits", (long long)t,
                          (long long)s->steps);
}

bool schedule_lr(const Schedule *s, int64_t t, float *lr, Error *e)
{
    if (t < 1 || t > s->steps || s->steps > INT32_MAX || s->warmup > s->hold || s->hold > s->steps)
        return error_set(e, "schedule: step %lld, warm-up %lld, hold %lld, steps %lld; expected 1 <= step <= steps < 2^31 and "
                            "warm-up <= hold <= steps",
                         (long long)t, (long long)s->warmup, (long long)s->hold, (long long)s->steps);
    if (t < s->warmup)
        *lr = warmup_lr(s, t);
    else if (s->kind == SCHEDULE_CONSTANT || t <= s->hold)
        *lr = s->lr;
    else if (s->kind == SCHEDULE_LINEAR)
        *lr = linear_lr(s, t);
    else
        return cosine_lr(s, t, lr, e);
    return true;
}
