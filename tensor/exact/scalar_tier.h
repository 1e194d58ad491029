/* SPDX-License-Identifier: MIT */
/* Joins the two tiers of a scalar function. This header is for scalar_*.c only.
 *
 * SCALAR_MAP(name) makes name_map out of
 *     SIMD Tier1 name_tier1(v8d x)                  eight values v and their absolute bounds e
 *     static bool name_tier2(float x, float *y)     the value at any operand but NaN; false: undecided
 * A bound also counts 2 u |v|, u = 2^-53, for the rounding of v - e and v + e, which is at most u (|v| + e) (round.h).
 * e is 0 only if v is exact (log at 1, rsqrt at +inf) or rounds to the same float as the exact value (tiny_half). A NaN
 * operand fails tier 1, and scalar_settle then writes the canonical NaN without tier 2. */
#ifndef PULSE_TENSOR_EXACT_SCALAR_TIER_H
#define PULSE_TENSOR_EXACT_SCALAR_TIER_H

#include "tensor/exact/scalar.h"

typedef struct { v8d v, e; } Tier1;

/* Runs tier 2 for the lanes that failed; n elements are left from x and y on, and the lanes are the first eight of
 * them, or all if n < 8.
 * Returns the index of a lane that stays undecided, or n. */
size_t scalar_settle(bool (*tier2)(float, float *), const int32_t fails[LANES], const float *x, float *y, size_t n);

#define SCALAR_MAP(name)                                                                            \
CLONES static size_t name##_map(const float *x, float *y, size_t n, double stretch)                 \
{                                                                                                   \
    for (size_t i = 0; i < n; i += LANES) {                                                         \
        bool whole = n - i >= LANES;                                                                \
        v8d operand = whole ? simd_load(x + i) : simd_load_part(x + i, n - i, 1);                   \
        Tier1 t = name##_tier1(operand);                                                             \
        v8f nearest;                                                                                \
        v8i fails = simd_round_fails(t.v, t.e * stretch, &nearest);                                 \
        if (whole)                                                                                  \
            simd_store(y + i, nearest);                                                             \
        else                                                                                        \
            simd_store_part(y + i, n - i, nearest);                                                 \
        if (simd_any(fails)) {                                                                      \
            int32_t lanes[LANES];                                                                   \
            memcpy(lanes, &fails, sizeof lanes);                                                    \
            size_t left = n - i, open = scalar_settle(name##_tier2, lanes, x + i, y + i, left);     \
            if (open < left)                                                                        \
                return i + open;                                                                    \
        }                                                                                           \
    }                                                                                               \
    return n;                                                                                       \
}

/* For functions x f(x) with f(0) = 1/2 and 0 < f'(0) < 1, such as silu and gelu. Their value x/2 + f'(0) x^2 + … lies
 * above x/2, and for |x| < 2^-60 by less than |x| 2^-59. Above x/2, up to x/2 + |x| 2^-47, there is neither a float nor
 * a midpoint. (x/2 itself is a float, or a midpoint if x is an odd multiple of 2^-149 below 2^-125.) So x/2 + |x| 2^-48
 * rounds to the same float as the value. */
#define TINY 0x1p-60
// TIE_REVERSED (bounds.h) is true only in tests
#define TINY_ABOVE (TIE_REVERSED(tiny_above) ? -0x1p-48 : 0x1p-48)
SIMD Tier1 tiny_half(v8d x, v8d v, v8d e)
{
    v8l tiny = (v8l)(simd_abs(x) < TINY);
    v8d half = x * simd_select((v8l)(x < 0), simd_set(0.5 - TINY_ABOVE), simd_set(0.5 + TINY_ABOVE));
    return (Tier1){ simd_select(tiny, half, v), simd_select(tiny, simd_set(0), e) };
}

static inline float tiny_half_float(float x)
{
    return (float)(x * (x < 0 ? 0.5 - TINY_ABOVE : 0.5 + TINY_ABOVE));
}

#endif
