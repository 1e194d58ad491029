/* SPDX-License-Identifier: MIT */
/* Weights case: what a method does to weights, gradients and scores, without a model. The numbers were chosen by
 * hand: they contain ties, and fp32 and binary64 give the same answers, so every bit is judged.
 *
 * in.safetensors holds the numbers, out.safetensors the answers. "definition" in case.json
 * says how to compute the answers. */
#ifndef PULSE_REF_VECTORS_WEIGHTS_CASE_WEIGHTS_H
#define PULSE_REF_VECTORS_WEIGHTS_CASE_WEIGHTS_H

#include "ref/vectors/case_loss.h"

/* An input. rows 0: it is a vector of `cols` numbers. They are in x or in ids; the other one of these two is NULL. */
typedef struct { const char *name; size_t rows, cols; const float *x; const int32_t *ids; } Given;
enum { WEIGHTS_INPUTS = 4 };

/* `variants` and `mistakes` are as in LossForm. `section` and `definition` are as in SuiteCase (suite.h). */
typedef struct WeightsForm {
    const char *id, *method, *variants, *mistakes, *section, *definition;
    Given in[WEIGHTS_INPUTS];
    /* Computes the answers from in[k] of the case. */
    bool (*answer)(const Hyperparameters *v, LossCase *c, Arena *a, Error *e);
} WeightsForm;

const WeightsForm *weights_form(size_t k);      // NULL: there is no form k

/* For weights/ only: what the forms are written with, and the forms of neurons.c. An input is a vector, or a matrix of
 * `cols` columns. */
#define ROW(name, x) { name, 0, sizeof x / sizeof *x, x, NULL }
#define ROWS(name, cols, x) { name, sizeof x / sizeof *x / cols, cols, x, NULL }
#define IDS(name, x) { name, 0, sizeof x / sizeof *x, NULL, x }
Tensor weights_put(LossCase *c, const char *name, Dtype kind, Shape shape, Arena *a);      // one more answer, all zero
size_t weights_width(const LossCase *c);                                                   // columns of the first input
extern const WeightsForm neuron_forms[];
extern const size_t neuron_forms_count;

bool weights_case_make(const WeightsForm *f, Hyperparameters *v, LossCase *c, Arena *a, Error *e);

#endif
