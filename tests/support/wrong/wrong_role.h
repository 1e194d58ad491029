/* SPDX-License-Identifier: MIT */
/* The samples of one role of a recorded loss, in binary64, for formulas that are wrong. */
#ifndef PULSE_TESTS_SUPPORT_WRONG_WRONG_ROLE_H
#define PULSE_TESTS_SUPPORT_WRONG_WRONG_ROLE_H

#include "tests/support/wrong/wrong.h"

enum { MOST_ROWS = 8, MOST_V = 64 };

/* lp and lq are the logarithms of p = softmax(z) and of q = softmax(z_ref). `tokens` counts the rows with a label, and
 * `longest` the rows of the longest sample. dz and loss begin as zero. */
typedef struct {
    size_t rows, v, samples, tokens, longest;
    int32_t label[MOST_ROWS], offset[MOST_ROWS];
    double z[MOST_ROWS][MOST_V], ref[MOST_ROWS][MOST_V], lp[MOST_ROWS][MOST_V], lq[MOST_ROWS][MOST_V], dz[MOST_ROWS][MOST_V];
    double loss;
} Role;

void log_softmax(const double *z, double *out, size_t v);
/* Reads "z.<role>", its labels, offsets and reference from in.safetensors of a case. */
bool role_read(Wrong *w, const char *id, const char *role, Role *r);
/* Adds dz.<role> as the answer with this mistake. role_answer also adds the loss, if the role is `forget` or the method
 * retain_ft, and unless the mistake changes only the gradient. */
void role_gradient(Wrong *w, const char *id, const char *flag, const char *role, const Role *r);
void role_answer(Wrong *w, const char *id, const char *flag, const char *role, const Role *r);
/* Sets dz of row i to c (p - e_y). */
void role_label_row(Role *r, size_t i, int32_t y, double c);

#endif
