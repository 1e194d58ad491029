/* SPDX-License-Identifier: MIT */
/* Tolerance: how many times the noise of a tensor an implementation may be off, at each precision.
 *
 * An answer is within the noise when the root mean square of its error is at most `rms` times the noise's, and its largest error at
 * most `most` times the noise's largest. The factors were fixed on steps of PyTorch 2.13 on the two tiny models
 * (GA, NPO, GA+KLR, gradient difference; end to end): at fp32 the largest ratio of its error to the noise was 0.6, under autocast to bf16
 * 2.8. No processor at hand computes tf32, and fp16 and bf16 throughout were not measured: their factors are those of bf16-mixed. */
#ifndef PULSE_REF_TRACE_TOLERANCE_H
#define PULSE_REF_TRACE_TOLERANCE_H

#include "ref/trace/noise.h"

typedef struct { double rms, most; } Tolerance;

static const Tolerance tolerances[PRECISIONS] = {
    [PRECISION_FP32] = { 4, 4 }, [PRECISION_TF32] = { 6, 6 }, [PRECISION_BF16] = { 6, 6 }, [PRECISION_FP16] = { 6, 6 },
    [PRECISION_BF16_MIXED] = { 6, 6 },
};

#endif
