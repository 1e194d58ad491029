/* SPDX-License-Identifier: MIT */
/* What the patterns of operands (inputs.h) are made of: random numbers and tensors, and operands of element-wise
 * operators. */
#ifndef PULSE_TESTS_BOUNDS_DRAW_H
#define PULSE_TESTS_BOUNDS_DRAW_H

#include <math.h>
#include <string.h>
#include "tests/bounds/hard.h"
#include "tests/support/check.h"

/* inputs_pattern_name says what each pattern is. */
typedef enum { GAUSSIAN, WIDE, CANCEL, FEW, LOSERS, LARGE, LONG, EQUAL, HAIR, TUNED, TUNED_LOSERS, SUBNORMAL,
               MILLION } Pattern;

static inline double uniform(uint64_t *s) { return (double)(check_random(s) >> 11) * 0x1p-53; }
/* Nearly normal, with a standard deviation of 1. */
static inline float gaussian(uint64_t *s)
{
    return (float)(uniform(s) + uniform(s) + uniform(s) + uniform(s) - 2) * 1.7f;
}
/* A Gaussian number times a random power of two, from 2^-spread to 2^spread. */
static inline float any_size(uint64_t *s, int spread)
{
    return gaussian(s) * ldexpf(1, (int)check_below(s, 2 * (size_t)spread + 1) - spread);
}

static inline Tensor floats(Arena *a, const float *x, size_t n)
{
    Tensor t = tensor_f32(a, shape_of(1, n));
    memcpy(t.f32, x, n * sizeof *x);
    return t;
}

static inline Tensor matrix(Arena *a, const float *x, size_t rows, size_t cols)
{
    Tensor t = floats(a, x, rows * cols);
    t.shape = shape_of(2, rows, cols);
    return t;
}

static inline Tensor constant(Arena *a, float x, Shape shape)
{
    Tensor t = tensor_f32(a, shape);
    for (size_t k = 0; k < shape_size(shape); k++)
        t.f32[k] = x;
    return t;
}

/* Like inputs_make, for these operators. draw_rounding: axpy, momentum, affine_rows, linear, lora_merge, rope.
 * draw_step: sgd, adam_m, adam_v, adamw. draw_clip: clip_factor. draw_scalar: functions of one number. */
bool draw_rounding(Hard *h, const char *op, int pattern, uint64_t *s, Arena *a);
bool draw_step(Hard *h, const char *op, int pattern, uint64_t *s, Arena *a);
bool draw_clip(Hard *h, int pattern, uint64_t *s, Arena *a);
bool draw_scalar(Hard *h, int pattern, uint64_t *s, Arena *a);

#endif
