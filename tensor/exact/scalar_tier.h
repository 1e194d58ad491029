/* SPDX-License-Identifier: MIT */
/* Joins the two tiers of a scalar function. This header is for scalar_*.c only.
 *
 * SCALAR_MAP(name) makes name_map out of
 *     SIMD Tier1 name_tier1(v8d x)                  eight values v and their absolute bounds e
 *     static bool name_tier2(float x, float *y)     the value at any operand; false: undecided
 * A bound must also cover the rounding of v - e and v + e (round.h), which is 2 * 2^-53 |v|. If a value is
 * exact, or stands for a limit, its bound e is 0. A NaN always goes to tier 2. */
#ifndef PULSE_TENSOR_EXACT_SCALAR_TIER_H
#define PULSE_TENSOR_EXACT_SCALAR_TIER_H

#include "tensor/exact/scalar.h"

typedef struct { v8d v, e; } Tier1;

/* Runs tier 2 for the lanes that failed. Returns the index of a lane that stays undecided, or n. */
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

/* For functions x f(x) with f(0) = 1/2 and f'(0) > 0, such as silu and gelu. Their value x/2 + f'(0) x^2 + … lies
 * above x/2, and for |x| < 2^-60 it does so by less than |x| 2^-59. No float and no midpoint lies that near above
 * x/2, but x/2 itself is a midpoint for odd subnormals. So x (1/2 + 2^-48 sign x), which lies on the same side of
 * x/2, rounds to the same float. */
#define TINY 0x1p-60
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
