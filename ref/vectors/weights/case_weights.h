/* SPDX-License-Identifier: MIT */
/* Weights case: what a method does to weights, gradients and scores, apart from any model. The numbers are worked by hand, with ties, and
 * such that fp32 and binary64 give the same answers, so every bit is judged.
 *
 * in.safetensors holds the numbers, out.safetensors the answers. "definition" in case.json says how these come from those. */
#ifndef PULSE_REF_VECTORS_WEIGHTS_CASE_WEIGHTS_H
#define PULSE_REF_VECTORS_WEIGHTS_CASE_WEIGHTS_H

#include "ref/vectors/case_loss.h"

typedef struct { const char *name; size_t rows, cols; const float *x; const int32_t *ids; } Given;   // rows 0: a vector; x or ids is NULL
enum { WEIGHTS_INPUTS = 4 };

typedef struct WeightsForm {
    const char *id, *method, *variants, *flags, *section, *definition;
    Given in[WEIGHTS_INPUTS];
    /* Computes the answers from in[k] of the case. */
    bool (*answer)(const Hyperparameters *v, LossCase *c, Arena *a, Error *e);
} WeightsForm;

extern const WeightsForm weights_forms[];
extern const size_t weights_forms_count;

bool weights_case_make(const WeightsForm *f, Hyperparameters *v, LossCase *c, Arena *a, Error *e);

#endif
