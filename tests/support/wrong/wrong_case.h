/* SPDX-License-Identifier: MIT */
/* Cases of weights/ with their mistakes: what wrong_weights.c and wrong_neurons.c share. */
#ifndef PULSE_TESTS_SUPPORT_WRONG_WRONG_CASE_H
#define PULSE_TESTS_SUPPORT_WRONG_WRONG_CASE_H

#include <string.h>
#include "tests/support/wrong/wrong.h"

enum { MOST = 64 };                 // neurons or tensors of a case, at most

/* `flag` is the name of one known mistake, `flags` a list of such names. */
typedef struct { Wrong *w; const char *id, *flag; Store in; } Case;
typedef struct { const char *id, *flags; void (*make)(const Case *c); } WrongCase;

/* Makes the wrong answers of each mistake of each case. */
void wrong_cases(Wrong *w, const WrongCase *list, size_t n);
void wrong_neurons(Wrong *w);

static inline bool is(const Case *c, const char *flag) { return strcmp(c->flag, flag) == 0; }
static inline const Tensor *in(const Case *c, const char *name) { return store_find(&c->in, name); }
static inline const float *floats(const Case *c, const char *name, size_t *n) { return wrong_floats(&c->in, name, n); }
/* Adds the answer `name`, a list of integers that the caller fills in; NULL: no memory. */
int32_t *wrong_ids(const Case *c, const char *name, Shape shape);
/* Sets y to 1 for the k highest of the n scores, else to 0. Of equal scores the first come first; with `ties`, y is 1
 * for every score that equals the k-th highest as well. */
void choose(const double *score, size_t n, size_t k, bool ties, int32_t *y);

#endif
