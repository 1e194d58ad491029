/* SPDX-License-Identifier: MIT */
/* Eight doubles at a time, with the vector extensions of gcc and clang.
 *
 * The code uses only + - * /, comparisons and bit operations, lane by lane as in scalar code. So the result does not
 * depend on the vector width of the machine. Functions are always inlined, so that each clone of a kernel is compiled
 * for its own instruction set.
 * CLONES before a kernel compiles it three times on x86-64 (SSE2, AVX2, AVX-512), and one version is picked when
 * the program starts. The kernel must be static, because clang 14 does not export the name; no two files may share
 * the name.
 * CLONES is empty for other processors and systems, under sanitizers (they are not ready yet when a version is picked),
 * with PULSE_PROBE (bounds.h), and when -march already allows AVX (clang 14 refuses both together). */
#ifndef PULSE_TENSOR_EXACT_SIMD_H
#define PULSE_TENSOR_EXACT_SIMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "tensor/exact/bounds.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SIMD_SANITIZED 1
#endif
#endif
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__AVX__) && !defined(__SANITIZE_ADDRESS__) \
    && !defined(__SANITIZE_THREAD__) && !defined(SIMD_SANITIZED) && !defined(PULSE_PROBE)
#define CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define CLONES
#endif
#define SIMD static inline __attribute__((always_inline))

enum { LANES = 8 };
typedef double  v8d __attribute__((vector_size(64)));
typedef int64_t v8l __attribute__((vector_size(64)));     // masks: -1 true, 0 false
typedef uint64_t v8u __attribute__((vector_size(64)));
typedef float   v8f __attribute__((vector_size(32)));
typedef int32_t v8i __attribute__((vector_size(32)));

/* x in all eight lanes. The subtraction is one instruction, while gcc 12 makes eight from { x, x, … }. x - 0 is x,
 * also for -0 and NaN. */
SIMD v8d simd_set(double x)   { return x - (v8d){ 0 }; }
SIMD v8l simd_bits(v8d x)     { return (v8l)x; }
SIMD v8d simd_double(v8l x)   { return (v8d)x; }
SIMD v8d simd_abs(v8d x)      { return (v8d)((v8l)x & INT64_MAX); }

/* `yes` where the mask is set, `no` elsewhere */
SIMD v8d simd_select(v8l mask, v8d yes, v8d no) { return (v8d)((mask & (v8l)yes) | (~mask & (v8l)no)); }
SIMD v8d simd_max(v8d a, v8d b) { return simd_select((v8l)(a > b), a, b); }       // b where one is NaN
SIMD v8d simd_min(v8d a, v8d b) { return simd_select((v8l)(a < b), a, b); }
// x within lo to hi; NaN stays NaN
SIMD v8d simd_clamp(v8d x, double lo, double hi)
{
    return simd_min(simd_set(hi), simd_max(simd_set(lo), x));
}

SIMD bool simd_any(v8i mask)
{
    int64_t part[4];
    memcpy(part, &mask, sizeof part);
    return (part[0] | part[1] | part[2] | part[3]) != 0;
}

/* Eight floats, widened exactly. simd_load_part is for the last n of an array: if n < 8, it puts `fill` into the other
 * lanes. */
SIMD v8d simd_load(const float *x)
{
    v8f f;
    memcpy(&f, x, sizeof f);
    return __builtin_convertvector(f, v8d);
}

SIMD v8d simd_load_part(const float *x, size_t n, float fill)
{
    if (n >= LANES)
        return simd_load(x);
    float f[LANES] = { fill, fill, fill, fill, fill, fill, fill, fill };
    memcpy(f, x, n * sizeof *f);
    return simd_load(f);
}

/* The nearest floats of eight doubles. */
SIMD v8f simd_round(v8d x) { return __builtin_convertvector(x, v8f); }
SIMD void simd_store(float *y, v8f f) { memcpy(y, &f, sizeof f); }

/* Stores the first n floats, at most eight. A copy of eight is one instruction, a copy of n is a call. */
SIMD void simd_store_part(float *y, size_t n, v8f f)
{
    if (n >= LANES)
        simd_store(y, f);
    else
        memcpy(y, &f, n * sizeof *y);
}

/* Eight rows of eight floats become their columns: in three steps, which exchange single lanes, pairs of lanes, and
 * halves. */
SIMD void simd_transpose(v8f x[LANES])
{
    v8f y[LANES];
    for (int k = 0; k < LANES; k += 2) {
        y[k] = __builtin_shufflevector(x[k], x[k + 1], 0, 8, 2, 10, 4, 12, 6, 14);
        y[k + 1] = __builtin_shufflevector(x[k], x[k + 1], 1, 9, 3, 11, 5, 13, 7, 15);
    }
    for (int k = 0; k < LANES; k += 4)
        for (int i = k; i < k + 2; i++) {
            x[i] = __builtin_shufflevector(y[i], y[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            x[i + 2] = __builtin_shufflevector(y[i], y[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    for (int k = 0; k < 4; k++) {
        y[k] = __builtin_shufflevector(x[k], x[k + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        y[k + 4] = __builtin_shufflevector(x[k], x[k + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
    memcpy(x, y, sizeof y);
}

SIMD double simd_sum(v8d x)     // in a fixed order
{
    return ((x[0] + x[4]) + (x[1] + x[5])) + ((x[2] + x[6]) + (x[3] + x[7]));
}

/* The rounding test (round.h) of eight values. y receives the floats nearest to v - e. The mask is set in the lanes
 * that stay undecided, because v + e rounds to another float or because one of the two floats is NaN. */
SIMD v8i simd_round_fails(v8d v, v8d e, v8f *y)
{
    v8f hi = simd_round(v + e);
#ifdef PULSE_PROBE
    double at[LANES], bound[LANES];
    memcpy(at, &v, sizeof at);
    memcpy(bound, &e, sizeof bound);
    probe_estimates(1, at, NULL, bound, LANES);
#endif
    *y = simd_round(v - e);
    return (v8i)(*y != hi);
}

#endif
