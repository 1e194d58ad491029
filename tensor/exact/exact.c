/* SPDX-License-Identifier: MIT */
#include "tensor/exact/exact.h"
#include "tensor/exact/bounds.h"

/* Moves carries up until every limb but the last is in [0, 2^32). The last limb keeps the sign; after a sum of
 * 2^31 doubles below 2^1024, its magnitude is below 2^31. */
void exact_carry(Exact *s)
{
    int64_t carry = 0;
    for (int k = 0; k < EXACT_LIMBS - 1; k++) {
        int64_t v = s->limb[k] + carry;
        s->limb[k] = v & 0xffffffff;
        carry = v >> 32;
    }
    s->limb[EXACT_LIMBS - 1] += carry;
    s->left = EXACT_ADDITIONS - 1;
}

void exact_add_special(Exact *s, double x)
{
    s->special |= x != x ? EXACT_NAN : x > 0 ? EXACT_PLUS_INF : EXACT_MINUS_INF;
}

void exact_add_exact(Exact *s, const Exact *other)
{
    Exact o = *other;
    exact_carry(&o);
    exact_carry(s);
    for (int k = 0; k < EXACT_LIMBS; k++)
        s->limb[k] += o.limb[k];
    s->special |= o.special;
    exact_carry(s);
}

/* Takes the nearest double away from a copy of `other` until nothing is left; each step removes at least 53 bits. */
void exact_add_multiple(Exact *s, const Exact *other, float c)
{
    Exact rest = *other;
    double x = exact_round64(&rest);
    for (; x != 0 && x - x == 0; x = exact_round64(&rest)) {
        exact_add_long_product(s, x, c);
        exact_add(&rest, -x);
    }
    if (x - x != 0)                                    // an infinity or NaN: no subtraction would reach zero
        exact_add(s, x * (double)c);
}

/* A finite sum as sign, 64 leading bits and whether anything follows them: (-1)^negative m 2^exponent. */
typedef struct {
    bool negative, sticky;
    uint64_t m;          // top bit set; 0: the sum is zero
    int exponent;
} Leading;

static uint64_t limb_or_zero(const Exact *s, int k)
{
    return k >= 0 ? (uint64_t)s->limb[k] : 0;
}

static Leading leading(const Exact *sum)
{
    Exact s = *sum;
    exact_carry(&s);
    Leading r = { .negative = s.limb[EXACT_LIMBS - 1] < 0 };
    if (r.negative) {
        for (int k = 0; k < EXACT_LIMBS; k++)
            s.limb[k] = -s.limb[k];
        exact_carry(&s);
    }
    int top = EXACT_LIMBS - 1;
    while (top >= 0 && s.limb[top] == 0)
        top--;
    if (top < 0)
        return r;
    int zeros = __builtin_clzll((uint64_t)s.limb[top]) - 32;     // 0 ... 31: the last limb is below 2^31 too
    uint64_t pair = (uint64_t)s.limb[top] << 32 | limb_or_zero(&s, top - 1);
    uint64_t next = limb_or_zero(&s, top - 2);
    r.m = zeros ? pair << zeros | next >> (32 - zeros) : pair;
    r.sticky = (next << zeros & 0xffffffff) != 0;
    for (int k = top - 3; k >= 0 && !r.sticky; k--)
        r.sticky = s.limb[k] != 0;
    r.exponent = 32 * (top - 1) + EXACT_LOWEST - zeros;
    return r;
}

int exact_sign(const Exact *s)
{
    Leading l = leading(s);
    return l.m == 0 ? 0 : l.negative ? -1 : 1;
}

/* The bits, without the sign, of the nearest number of a format with `digits` bits. `lowest` is the exponent of the
 * last bit of a subnormal, and `largest` that of the last bit of the largest number. A carry out of the mantissa
 * moves into the exponent, up to infinity. */
static uint64_t nearest_bits(const Leading *l, int digits, int lowest, int largest)
{
    int last = l->exponent + 64 - digits;                        // weight of the last bit kept
    if (last > largest)
        return (uint64_t)(largest - lowest + 2) << (digits - 1);
    if (last < lowest)
        last = lowest;
    int drop = last - l->exponent;                               // >= 64 - digits
    if (drop > 64)
        return 0;
    uint64_t kept = drop == 64 ? 0 : l->m >> drop;
    uint64_t rest = drop == 64 ? l->m : l->m << (64 - drop);     // in units of 2^-64 of the last bit
    uint64_t half = (uint64_t)1 << 63;
    if (rest > half || (rest == half && (l->sticky || (kept & 1) != TIE_REVERSED(exact_even))))
        kept++;
    return ((uint64_t)(last - lowest) << (digits - 1)) + kept;
}

static double special_value(int special)
{
    return special == EXACT_PLUS_INF ? INFINITY : special == EXACT_MINUS_INF ? -INFINITY : (double)float_nan();
}

float exact_round(const Exact *s)
{
    if (s->special)
        return (float)special_value(s->special);
    Leading l = leading(s);
    uint32_t bits = l.m ? (uint32_t)nearest_bits(&l, 24, -149, 104) : 0;
    return float_from(bits && l.negative ? bits | 0x80000000u : bits);
}

double exact_round64(const Exact *s)
{
    if (s->special)
        return special_value(s->special);
    Leading l = leading(s);
    uint64_t bits = l.m ? nearest_bits(&l, 53, -1074, 971) : 0;
    return double_from(bits && l.negative ? bits | (uint64_t)1 << 63 : bits);
}

void exact_split(const Exact *s, double *high, double *low)
{
    *high = exact_round64(s);
    *low = 0;
    if (*high - *high != 0)
        return;
    Exact rest = *s;
    exact_add(&rest, -*high);
    *low = exact_round64(&rest);
}
