/* SPDX-License-Identifier: MIT */
/* Distance: how far a tensor is from a reference of the same shape and dtype.
 *
 * Two values are equal when their bits are equal. Entries near zero inflate the largest ULP distance. The scaled error
 * max|d| / max|reference|, where d is the difference, shows which arithmetic computed the other tensor:
 *     fp32 arithmetic   1e-8 to 5e-7
 *     TF32              about 5e-4
 *     bf16              about 4e-3; a mistake in the code mostly gives more */
#ifndef PULSE_TENSOR_DISTANCE_H
#define PULSE_TENSOR_DISTANCE_H

#include "tensor/tensor.h"

typedef struct {
    size_t   total, differ;    // how many elements there are, and how many differ in bits; +0 and -0 do, by 0 ULP
    size_t   nan;              // how many of these are NaN in at least one tensor; ulp and error skip such elements
    uint64_t ulp;              // the largest distance in ULP; for integers the largest difference
    double   error, scale;     // the largest |d| where bits differ, and the largest finite |reference|, in binary64
    size_t   first, worst;     // row-major indices: of the first difference; of the largest |d|, or `first` if no |d| is above 0
} Distance;

Distance distance_of(const Tensor *reference, const Tensor *other);
double   distance_scaled(const Distance *d);        // error / scale; infinity where the scale is 0 and the error is not
double   tensor_value(const Tensor *t, size_t i);   // element i of any dtype as a double; for I64 the nearest double
uint64_t tensor_value_bits(const Tensor *t, size_t i);

#endif
