/* SPDX-License-Identifier: MIT */
/* Distances: how far an answer (`got`) is from the right value. */
#ifndef PULSE_REF_VERIFY_DISTANCES_H
#define PULSE_REF_VERIFY_DISTANCES_H

#include "tensor/tensor.h"

typedef struct {
    double rms, worst;               // the root mean square and the maximum of |got - right|; may be NaN or infinite
    double rms_right, scaled;        // the root mean square of the right value; worst / the maximum of |right|
    double used;                     // the maximum of |got - right| / bound over all bounds above 0; 0: there are none
    double ratio;                    // the median of got / right over at most 4,096 elements whose right value is not small; 0:
                                     // there are no such elements
    size_t over, first;              // how many elements exceed their bound; the index of the first of these, or the number
                                     // of all elements if there are none
    size_t where_worst;              // the index of the element with the largest error
} Distances;

/* All tensors are F32 and of one shape. `bound` and `before` may be NULL. With `before`, the fields rms_right, scaled
 * and ratio are about the change from `before`. */
Distances distances(const Tensor *right, const Tensor *got, const Tensor *bound, const Tensor *before, Arena *a);
/* The same, but only rms, worst and where_worst are computed. */
Distances distance_error(const Tensor *right, const Tensor *got);

/* `got` as a tensor of the dtype `right`: F64 is rounded once, F16 and BF16 are widened, I64 becomes I32 if every
 * value fits. *conversion names the conversion ("F64, rounded once"; NULL: there was none). With any other pair of
 * dtypes, `got` is returned as it is. */
Tensor as_right(Tensor got, Dtype right, const char **conversion, Arena *a);

#endif
