/* SPDX-License-Identifier: MIT */
/* Oracle of the methods: each loss, and each gradient dL/dz, such as c (p - q), as the chain of operations that its
 * formula states. MPFR rounds every operation once. The oracle shares no code with unlearn/ or tensor/. */
#ifndef PULSE_TESTS_SUPPORT_ORACLE_METHODS_H
#define PULSE_TESTS_SUPPORT_ORACLE_METHODS_H

#include "unlearn/method.h"

enum { CASE_V = 17, CASE_ROWS = 8 };             // the vocabulary; the rows of a role, at most

/* The samples of one role, with the logits of the model and of the reference. If `samples` is 0, the role is not in
 * the step. */
typedef struct {
    size_t  rows, samples, tokens;
    int32_t offsets[5], labels[CASE_ROWS];
    float   z[CASE_ROWS * CASE_V], ref[CASE_ROWS * CASE_V];
    float   want[CASE_ROWS * CASE_V];          // dL/dz, filled in by method_mpfr
    float   parts[2][CASE_ROWS * CASE_V];      // the `count` contributions whose sum is `want`
    size_t  count;
} CaseRole;

typedef struct {
    Hyperparameters v;
    CaseRole role[ROLE_COUNT];
    bool gaps_in_forget;                       // rows of the forget part may have no label, like rows of the retain part
} MethodCase;

/* Computes the loss and the gradients of a case. False: the oracle does not know the method. */
bool method_mpfr(const char *method, MethodCase *c, float *loss);
/* The loss of rmu, which has hidden states in place of logits; u [CASE_V] is the direction that was drawn. */
float rmu_mpfr(MethodCase *c, const float *u);

/* a b; base + s x; x num / den; the sum of `count` numbers divided by n. Each is rounded once. */
float mul_mpfr(float a, float b);
float axpy_mpfr(float base, float x, float s);
float ratio_mpfr(float x, float num, float den);
float mean_mpfr(const float *x, size_t count, size_t n);

#endif
