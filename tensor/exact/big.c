/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <string.h>
#include "tensor/exact/big.h"
#include "tensor/exact/round.h"

/* Cuts zero limbs at both ends. */
static void trim(Big *a)
{
    int low = 0;
    while (a->count > 0 && a->limb[a->count - 1] == 0)
        a->count--;
    while (low < a->count && a->limb[low] == 0)
        low++;
    a->count -= low;
    a->exponent += 32 * low;
    memmove(a->limb, a->limb + low, (size_t)a->count * sizeof *a->limb);
    if (a->count == 0)
        a->sign = a->exponent = 0;
}

Big big_from(double x)
{
    Big a = { .sign = x < 0 ? -1 : 1, .count = 3 };
    if (x == 0)
        return (Big){ .sign = 0 };
    int e;
    uint64_t m = (uint64_t)ldexp(frexp(fabs(x), &e), 53);     // |x| = m 2^(e - 53)
    int shift = (e - 53) & 31;
    a.exponent = e - 53 - shift;
    a.limb[0] = (uint32_t)(m << shift);
    a.limb[1] = (uint32_t)((m << shift) >> 32);
    a.limb[2] = shift ? (uint32_t)(m >> (64 - shift)) : 0;
    trim(&a);
    return a;
}

Big big_from_exact(const Exact *sum)
{
    Exact s = *sum;
    exact_carry(&s);
    Big a = { .sign = 1, .exponent = EXACT_LOWEST, .count = EXACT_LIMBS };
    if (s.limb[EXACT_LIMBS - 1] < 0) {
        a.sign = -1;
        for (int k = 0; k < EXACT_LIMBS; k++)
            s.limb[k] = -s.limb[k];
        exact_carry(&s);
    }
    for (int k = 0; k < EXACT_LIMBS; k++)
        a.limb[k] = (uint32_t)s.limb[k];
    trim(&a);
    return a;
}

/* The limb of weight 2^(32 k), k of either sign; 0 if the number has no such limb. */
static uint32_t limb_at(const Big *a, int k)
{
    int i = k - a->exponent / 32;
    return i >= 0 && i < a->count ? a->limb[i] : 0;
}

/* One more than the k of the highest limb. */
static int top_of(const Big *a) { return a->exponent / 32 + a->count; }
static int least(int a, int b) { return a < b ? a : b; }
static int most(int a, int b) { return a > b ? a : b; }

static int compare_magnitude(const Big *a, const Big *b)
{
    int low = least(a->exponent, b->exponent) / 32;
    for (int k = most(top_of(a), top_of(b)) - 1; k >= low; k--)
        if (limb_at(a, k) != limb_at(b, k))
            return limb_at(a, k) > limb_at(b, k) ? 1 : -1;
    return 0;
}

int big_compare(const Big *a, const Big *b)
{
    if (a->sign != b->sign)
        return a->sign > b->sign ? 1 : -1;
    return a->sign * compare_magnitude(a, b);
}

/* Returns |a| + flip |b| with the sign of a. flip is 1 or -1; if it is -1, |a| must be at least |b|. */
static Big combine(const Big *a, const Big *b, int flip)
{
    int low = least(a->exponent, b->exponent) / 32, top = most(top_of(a), top_of(b)) + 1;
    assert(top - low <= BIG_LIMBS);
    Big r = { .sign = a->sign, .exponent = 32 * low, .count = top - low };
    int64_t carry = 0;
    for (int k = low; k < top; k++) {
        carry += (int64_t)limb_at(a, k) + flip * (int64_t)limb_at(b, k);
        r.limb[k - low] = (uint32_t)carry;
        carry >>= 32;
    }
    trim(&r);
    return r;
}

Big big_add(const Big *a, const Big *b)
{
    if (a->sign == 0 || b->sign == 0)
        return a->sign == 0 ? *b : *a;
    if (a->sign == b->sign)
        return combine(a, b, 1);
    return compare_magnitude(a, b) >= 0 ? combine(a, b, -1) : combine(b, a, -1);
}

Big big_sub(const Big *a, const Big *b)
{
    Big minus = *b;
    minus.sign = -b->sign;
    return big_add(a, &minus);
}

Big big_mul(const Big *a, const Big *b)
{
    assert(a->count + b->count <= BIG_LIMBS);
    Big r = { .sign = a->sign * b->sign, .exponent = a->exponent + b->exponent, .count = a->count + b->count };
    for (int i = 0; i < a->count; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < b->count; j++) {
            carry += (uint64_t)a->limb[i] * b->limb[j] + r.limb[i + j];
            r.limb[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
        r.limb[i + b->count] = (uint32_t)carry;
    }
    trim(&r);
    return r;
}

Big big_mul_d(const Big *a, double x)
{
    Big b = big_from(x);
    return big_mul(a, &b);
}

Big big_signed_square(const Big *a)
{
    Big r = big_mul(a, a);
    r.sign = a->sign;
    return r;
}

double big_approximate(const Big *a, int *exponent)
{
    *exponent = 0;
    if (a->sign == 0)
        return 0;
    int top = top_of(a), e;
    uint64_t m = (uint64_t)limb_at(a, top - 1) << 32 | limb_at(a, top - 2);
    int zeros = __builtin_clzll(m);
    if (zeros)
        m = m << zeros | limb_at(a, top - 3) >> (32 - zeros);
    double x = frexp((double)(m >> 11), &e);                  // 53 bits: exact
    *exponent = 32 * (top - 2) - zeros + 11 + e - 1;
    return a->sign * 2 * x;
}

typedef struct { const Big *n, *w; } OverRoot;

static int over_root_compare(const void *value, double m)
{
    const OverRoot *q = value;
    Big b = big_from(m), square = big_signed_square(&b);
    Big left = big_signed_square(q->n), right = big_mul(&square, q->w);
    return big_compare(&left, &right);
}

/* a and b are the approximations of n and w. The relative error of v is below 2^-50: 2^-52 from a, half of that from b
 * under the root, and 2^-53 each from the root, the quotient and the scaling by a power of two, which may also
 * underflow by less than 2^-1074. The sums v - e and v + e round by 2^-53 more: 2^-49 = 16 u is claimed. */
float big_round_over_root(const Big *n, const Big *w)
{
    int en, ew;
    double a = big_approximate(n, &en), b = big_approximate(w, &ew);
    if (a == 0)
        return 0;
    if (ew & 1) {
        b *= 2;
        ew--;
    }
    double v = ldexp(a / sqrt(b), en - ew / 2), e = IN_U(over_root) * fabs(v) + 0x1p-1070 + tier_slack(2);
    PROBE(2, v, 0, e);
    float lo = (float)(v - e), hi = (float)(v + e);
    return lo == hi ? lo + 0.0f : round_compare(lo, hi, over_root_compare, &(OverRoot){ n, w });
}
