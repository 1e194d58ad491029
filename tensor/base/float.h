/* SPDX-License-Identifier: MIT */
/* Floats: their bits, the canonical NaN, and the floating-point environment that all bounds assume.
 *
 * A reduction whose result is zero returns +0, and every NaN result is 0x7fc00000. The environment must round to
 * nearest, keep subnormal numbers, and have no excess precision. */
#ifndef PULSE_TENSOR_BASE_FLOAT_H
#define PULSE_TENSOR_BASE_FLOAT_H

#include <fenv.h>
#include <float.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "tensor/base/error.h"

#if defined(__FAST_MATH__)
#error "PULSE-ref must not be compiled with -ffast-math"
#endif
#if FLT_EVAL_METHOD != 0
#error "PULSE-ref needs FLT_EVAL_METHOD 0 (32-bit x86 without SSE is unsupported)"
#endif
_Static_assert(FLT_RADIX == 2 && FLT_MANT_DIG == 24 && DBL_MANT_DIG == 53, "IEEE 754 binary32 and binary64");

static inline uint32_t float_bits(float x)    { uint32_t b; memcpy(&b, &x, sizeof b); return b; }
static inline float    float_from(uint32_t b) { float x; memcpy(&x, &b, sizeof x); return x; }
static inline uint64_t double_bits(double x)    { uint64_t b; memcpy(&b, &x, sizeof b); return b; }
static inline double   double_from(uint64_t b)  { double x; memcpy(&x, &b, sizeof x); return x; }

static inline float float_nan(void) { return float_from(0x7fc00000u); }

/* Replaces any NaN by the canonical one; every other value stays as it is. */
static inline float float_canonical(float x) { return x == x ? x : float_nan(); }

/* An integer for each float, in the same ascending order: the difference of two keys is the distance of the floats in
 * ULP. Both zeros have key 0. */
static inline int64_t float_key(float x)
{
    uint32_t b = float_bits(x);
    return b >> 31 ? -(int64_t)(b & 0x7fffffffu) : (int64_t)b;
}

/* False, with a sentence, if this thread does not round to nearest, flushes subnormals, or keeps excess precision. */
bool float_env_check(Error *e);
/* The same for every thread of the team. */
bool float_env_check_threads(Error *e);

/* float_env_region is a cheap check of the calling thread, which team_run makes on each thread that takes part. It
 * reads only the thread's control register (on processors other than x86-64 and aarch64, the rounding mode). If this is
 * not as expected, float_env_fail records the sentence in `e`. */
void float_env_fail(Error *e);
static inline void float_env_region(Error *e)
{
#if defined(__x86_64__) || defined(__SSE2__)
    if (__builtin_expect((__builtin_ia32_stmxcsr() & 0xe040) != 0, 0))         // rounding mode, FTZ, DAZ
        float_env_fail(e);
#elif defined(__aarch64__)
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    if (__builtin_expect((fpcr & 0x1c00003) != 0, 0))                          // rounding mode, FZ, FIZ, AH
        float_env_fail(e);
#else
    if (__builtin_expect(fegetround() != FE_TONEAREST, 0))
        float_env_fail(e);
#endif
}

#endif
