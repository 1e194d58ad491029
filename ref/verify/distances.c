/* SPDX-License-Identifier: MIT */
#include "ref/verify/distances.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

enum { SAMPLE = 4096 };

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The sort need not be stable, because equal ratios are the same number. */
static double median_ratio(const Tensor *right, const Tensor *got, const Tensor *before, double most, Arena *a)
{
    size_t n = shape_size(right->shape), step = n / SAMPLE + 1, count = 0;
    double *r = arena_array(a, n / step + 1, sizeof *r);
    for (size_t i = 0; r && i < n; i += step) {
        double base = before ? (double)before->f32[i] : 0, x = (double)right->f32[i] - base, ratio = ((double)got->f32[i] - base) / x;
        if (fabs(x) > 0.01 * most && ratio == ratio)
            r[count++] = ratio;
    }
    if (count)
        qsort(r, count, sizeof *r, by_size);
    return count ? r[count / 2] : 0;
}

Distances distance_error(const Tensor *right, const Tensor *got)
{
    size_t n = shape_size(right->shape);
    Distances d = { .first = n };
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double error_size = right->f32[i] == got->f32[i] ? 0 : fabs((double)got->f32[i] - (double)right->f32[i]);
        sum += error_size * error_size;
        if (error_size > d.worst || (error_size != error_size && d.worst == d.worst)) {
            d.worst = error_size;
            d.where_worst = i;
        }
    }
    d.rms = n ? sqrt(sum / (double)n) : 0;
    return d;
}

Distances distances(const Tensor *right, const Tensor *got, const Tensor *bound, const Tensor *before, Arena *a)
{
    size_t n = shape_size(right->shape);
    Distances d = distance_error(right, got);
    double most = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        double x = (double)right->f32[i] - (before ? (double)before->f32[i] : 0), error_size = right->f32[i] == got->f32[i] ? 0
                : fabs((double)got->f32[i] - (double)right->f32[i]);
        most = fabs(x) > most ? fabs(x) : most;
        sum += x * x;
        if (bound && bound->f32[i] > 0 && error_size / (double)bound->f32[i] > d.used)
            d.used = error_size / (double)bound->f32[i];
        if (bound && !(error_size <= (double)bound->f32[i]))
            d.first = d.over++ == 0 ? i : d.first;
    }
    d.rms_right = n ? sqrt(sum / (double)n) : 0;
    d.scaled = most > 0 ? d.worst / most : d.worst;
    d.ratio = median_ratio(right, got, before, most, a);
    return d;
}

Tensor as_right(Tensor got, Dtype right, const char **conversion, Arena *a)
{
    size_t n = shape_size(got.shape);
    Tensor y = got;
    *conversion = NULL;
    if (right == F32 && (got.dtype == F16 || got.dtype == BF16 || got.dtype == F64)) {
        y = tensor_f32(a, got.shape);
        *conversion = got.dtype == F64 ? "F64, rounded once" : got.dtype == F16 ? "F16, widened" : "BF16, widened";
        if (y.f32 && got.dtype == F64)
            for (size_t i = 0; i < n; i++)
                y.f32[i] = (float)got.f64[i];
        else if (y.f32)
            tensor_widen(&got, 0, n, y.f32);
    } else if (right == I32 && got.dtype == I64) {
        int32_t *out = arena_array(a, n + 1, sizeof *out);
        for (size_t i = 0; i < n; i++) {
            if (!out || got.i64[i] < INT32_MIN || got.i64[i] > INT32_MAX)
                return got;
            out[i] = (int32_t)got.i64[i];
        }
        y.dtype = I32;
        y.i32 = out;
        *conversion = "I64, all within I32";
    }
    return y.data ? y : got;
}
