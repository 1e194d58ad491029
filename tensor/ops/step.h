/* SPDX-License-Identifier: MIT */
/* What the kernels of the optimiser's operators share. Eight elements are computed at a time.
 *
 * Tier 1 computes in binary64, u = 2^-53, with the bound that is shown above the code of each formula. An element that
 * the rounding test leaves undecided is decided exactly: by an Exact or by round_sum (class A), or by a comparison of
 * big integers (classes A' and B).
 * If an operand is not finite, or a divisor is zero, the result is what IEEE 754 gives for the formula as it is
 * written. Finite operands cannot overflow binary64. */
#ifndef PULSE_TENSOR_OPS_STEP_H
#define PULSE_TENSOR_OPS_STEP_H

#include "tensor/exact/exact.h"
#include "tensor/exact/round.h"
#include "tensor/exact/simd.h"
#include "tensor/ops.h"

#define U 0x1p-53

/* Calls `chunk` for every element once, in pieces [begin, end) that the threads share. */
void step_each_chunk(const Call *c, void (*chunk)(const Call *c, size_t begin, size_t end));

/* The shape check: all inputs have one shape, which is that of the result. */
bool step_same_shapes(const Call *c, Shape *out, Error *e);
/* Checks that every fp32 attribute is finite and at least 0. */
bool step_settings_fit(const Call *c, Error *e);
/* Refuses the attribute `name` with a sentence that states its value x and what was expected. */
bool step_refuse(const Call *c, Error *e, const char *name, double x, const char *expected);

/* Elements j … j + 7 of an input, or those before `end`; the other lanes hold 1. */
SIMD v8d step_load(const Call *c, size_t input, size_t j, size_t end)
{
    return simd_load_part(call_value(c, input)->f32 + j, end - j, 1);
}

/* Writes elements j … j + 7, or those before `end`: the floats nearest to values that lie within `bound` of v. If the
 * bound leaves two floats open, `decide` gives the element; if v is infinite or NaN, v itself is written. */
SIMD void step_put(const Call *c, size_t j, size_t end, v8d v, v8d bound, float (*decide)(const Call *c, size_t j))
{
    v8f y;
    v8i open = simd_round_fails(v, bound + tier_slack(1), &y);
    simd_store_part(c->out.f32 + j, end - j, y + 0.0f);
    for (size_t l = 0; l < LANES && l < end - j && simd_any(open); l++)
        if (open[l])
            c->out.f32[j + l] = v[l] - v[l] == 0 ? decide(c, j + l) : float_canonical((float)v[l]);
}

#endif
