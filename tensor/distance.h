/* SPDX-License-Identifier: MIT */
/* Distance: how far a tensor is from a reference of the same shape and dtype. Bits decide; the rest explains.
 *
 * Max ULP is inflated by entries near zero; the scaled error max|d| / max|reference| is what tells fp32 arithmetic
 * (1e-8 … 5e-7) from TF32 (5e-4), bf16 (4e-3) and mistakes (INTEROP 4.4). */
#ifndef PULSE_TENSOR_DISTANCE_H
#define PULSE_TENSOR_DISTANCE_H

#include "tensor/tensor.h"

typedef struct {
    size_t   total, differ;    // elements, and those whose bits differ (+0 and -0 do, by 0 ULP)
    size_t   nan;              // of those, where either is NaN; they count in nothing below
    uint64_t ulp;              // the largest number of steps between two values of the dtype (integers: the difference)
    double   error, scale;     // max |d| where bits differ, max |reference| of finite values; binary64
    size_t   first, worst;     // row-major places of the first difference, and of the largest |d|
} Distance;

Distance distance_of(const Tensor *reference, const Tensor *other);
double   distance_scaled(const Distance *d);        // error / scale; infinity when only the scale is 0
double   tensor_value(const Tensor *t, size_t i);   // element i of any dtype as a double (I64: nearest)
uint64_t tensor_value_bits(const Tensor *t, size_t i);

#endif
