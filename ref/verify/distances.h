/* SPDX-License-Identifier: MIT */
/* Distances: how far an answer is from the right value. */
#ifndef PULSE_REF_VERIFY_DISTANCES_H
#define PULSE_REF_VERIFY_DISTANCES_H

#include "tensor/tensor.h"

typedef struct {
    double rms, worst;               // of got - right; NaN or infinite where got is
    double rms_right, scaled;        // of the right value; worst over the largest right value
    double used;                     // the largest error over its bound; 0 without bounds
    double ratio;                    // the median of got / right over a sample of at most 4,096 elements whose right value is not small;
                                     // 0: none
    size_t over, first, where_worst; // how many elements are over the bound; the first of them (the size: none); where the error is
                                     // largest
} Distances;

/* All tensors are F32 and of one shape. `bound` may be NULL, and `before` too: otherwise the change from `before` is what rms_right,
 * scaled and ratio are of. */
Distances distances(const Tensor *right, const Tensor *got, const Tensor *bound, const Tensor *before, Arena *a);
/* Only Distances.rms and worst. */
Distances distance_error(const Tensor *right, const Tensor *got);

/* `got` as a tensor of the dtype of `right`: F64 is rounded once, F16 and BF16 are widened, I64 becomes I32 where every value fits.
 * *said names what was done ("F64, rounded once"; NULL: nothing). Where there is no such way the tensor is returned as it is. */
Tensor as_right(Tensor got, Dtype right, const char **said, Arena *a);

#endif
