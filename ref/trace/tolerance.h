/* SPDX-License-Identifier: MIT */
/* Tolerance: how far an implementation may be off at each precision, in multiples of a tensor's noise.
 *
 * An answer is within the noise when the root mean square of its error is at most `rms` times the noise's, and
 * its largest error at most `most` times the noise's largest. The factors were fixed on steps of PyTorch 2.13 on
 * the models tiny-llava-a and tiny-llava-b of fixtures/vectors (GA, NPO, GA+KLR, gradient difference; end to end).
 * At fp32 the largest ratio of PyTorch's error to the noise was 0.6, and under autocast to bf16 it was 2.8. The
 * other precisions were not measured, and have the factors of bf16-mixed. */
#ifndef PULSE_REF_TRACE_TOLERANCE_H
#define PULSE_REF_TRACE_TOLERANCE_H

#include "ref/trace/noise.h"

typedef struct { double rms, most; } Tolerance;

static const Tolerance tolerances[PRECISIONS] = {
    [PRECISION_FP32] = { 4, 4 }, [PRECISION_TF32] = { 6, 6 }, [PRECISION_BF16] = { 6, 6 }, [PRECISION_FP16] = { 6, 6 },
    [PRECISION_BF16_MIXED] = { 6, 6 },
};

#endif
