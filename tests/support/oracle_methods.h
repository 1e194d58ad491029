/* SPDX-License-Identifier: MIT */
/* Oracle of the methods: each row of the table dL/dz = c (p - q), and each loss, as the chain that its formula
 * states, every operation rounded once by MPFR. It shares no code with unlearn/ and tensor/. */
#ifndef PULSE_TESTS_SUPPORT_ORACLE_METHODS_H
#define PULSE_TESTS_SUPPORT_ORACLE_METHODS_H

#include "unlearn/method.h"

enum { CASE_V = 17, CASE_ROWS = 8 };

/* One role's samples: logits of the model and of the reference. samples == 0: not in the step. */
typedef struct {
    size_t  rows, samples, tokens;
    int32_t offsets[5], labels[CASE_ROWS];
    float   z[CASE_ROWS * CASE_V], ref[CASE_ROWS * CASE_V];
    float   want[CASE_ROWS * CASE_V];          // dL/dz, filled in by method_mpfr
    float   parts[2][CASE_ROWS * CASE_V];      // its contributions
    size_t  count;
} CaseRole;

typedef struct {
    Hyperparameters v;
    CaseRole role[ROLE_COUNT];
} MethodCase;

/* The loss; false when the oracle does not know the method. */
bool method_mpfr(const char *method, MethodCase *c, float *loss);
/* rmu, of hidden states in place of logits; u [CASE_V] is the direction that was drawn. */
float rmu_mpfr(MethodCase *c, const float *u);

/* One rounding each. */
float mul_mpfr(float a, float b);
float axpy_mpfr(float base, float x, float s);
float ratio_mpfr(float x, float num, float den);
float mean_mpfr(const float *x, size_t count, size_t n);

#endif
