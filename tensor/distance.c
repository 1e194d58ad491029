/* SPDX-License-Identifier: MIT */
#include "tensor/distance.h"

#include <math.h>
#include "tensor/base/float.h"

uint64_t tensor_value_bits(const Tensor *t, size_t i)
{
    switch (t->dtype) {
    case F32:  return float_bits(t->f32[i]);
    case F16:
    case BF16: return t->half[i];
    case F64:  return double_bits(t->f64[i]);
    case I64:  return (uint64_t)t->i64[i];
    case I32:  return (uint32_t)t->i32[i];
    default:   return t->u8[i];
    }
}

double tensor_value(const Tensor *t, size_t i)
{
    switch (t->dtype) {
    case F32:  return t->f32[i];
    case F16:
    case BF16: return half_widen(t->half[i], t->dtype);
    case F64:  return t->f64[i];
    case I64:  return (double)t->i64[i];
    case I32:  return t->i32[i];
    default:   return t->u8[i];
    }
}

/* A value as an unsigned integer that is larger for a larger value. Both zeros of a float become 2^63, as the integer 0
 * does. */
static uint64_t ordinal(const Tensor *t, size_t i)
{
    const uint64_t middle = (uint64_t)1 << 63, bits = tensor_value_bits(t, i);
    if (t->dtype == I64 || t->dtype == I32 || t->dtype == U8)
        return middle + (t->dtype == I32 ? (uint64_t)(int64_t)t->i32[i] : bits);
    const uint64_t sign = (uint64_t)1 << (8 * dtype_size(t->dtype) - 1);
    return bits & sign ? middle - (bits - sign) : middle + bits;
}

Distance distance_of(const Tensor *reference, const Tensor *other)
{
    Distance d = { .total = shape_size(reference->shape) };
    for (size_t i = 0; i < d.total; i++) {
        const double x = tensor_value(reference, i);
        if (isfinite(x) && fabs(x) > d.scale)
            d.scale = fabs(x);
        if (tensor_value_bits(reference, i) == tensor_value_bits(other, i))
            continue;
        const double y = tensor_value(other, i);
        if (d.differ++ == 0)
            d.first = d.worst = i;
        if (isnan(x) || isnan(y)) {
            d.nan++;
            continue;
        }
        const uint64_t p = ordinal(reference, i), q = ordinal(other, i), steps = p > q ? p - q : q - p;
        d.ulp = steps > d.ulp ? steps : d.ulp;
        if (fabs(x - y) > d.error) {
            d.error = fabs(x - y);
            d.worst = i;
        }
    }
    return d;
}

double distance_scaled(const Distance *d)
{
    return d->error == 0 ? 0 : d->scale == 0 ? (double)INFINITY : d->error / d->scale;
}
