/* SPDX-License-Identifier: MIT */
/* Products by the built-in kernel, straight from floats: nothing is widened but what is in work. */
#ifndef PULSE_TENSOR_PRODUCT_BLOCKED_H
#define PULSE_TENSOR_PRODUCT_BLOCKED_H

#include "tensor/product/product.h"

/* One of the strides of each operand must be 1. Adds what the rounding test left open to *undecided. */
bool blocked_run(Lines a, Lines b, Epilogue ep, float *out, size_t out_stride, size_t *undecided, Arena *room, Error *e);

#endif
