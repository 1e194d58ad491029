/* SPDX-License-Identifier: MIT */
/* Tolerance: how many times the noise of a tensor an implementation may be off, at each precision.
 *
 * An answer is within the noise when the root mean square of its error is at most `rms` times the noise's, and its largest error at
 * most `most` times the noise's largest. The factors were fixed on runs of PyTorch (docs/verify-yours.md says which). */
#ifndef PULSE_REF_TRACE_TOLERANCE_H
#define PULSE_REF_TRACE_TOLERANCE_H

#include "ref/trace/noise.h"

typedef struct { double rms, most; } Tolerance;

static const Tolerance tolerances[PRECISIONS] = {
    [PRECISION_FP32] = { 4, 4 }, [PRECISION_TF32] = { 4, 4 }, [PRECISION_BF16] = { 4, 4 }, [PRECISION_FP16] = { 4, 4 },
    [PRECISION_BF16_MIXED] = { 4, 4 },
};

#endif
