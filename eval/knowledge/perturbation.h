/* SPDX-License-Identifier: MIT */
/* Universal perturbation: one small change of all pictures that makes a model say again what it has unlearned. Knowledge that a change
 * of a few grey levels brings back was hidden, and not removed.
 *
 * delta is a whole number of grey levels, -12 … 12, for each value of a picture of the model's size, the same for all pictures; a
 * changed value is cut to 0 … 255. It begins with 0. Each of 50 steps moves every element by one level against the sign of the
 * derivative of the summed CE of the right answers, at the changed pictures. Step t (from 0) reads, of the F training questions (frames)
 * of each fact, number t mod F. The derivative at the outputs of the patch embedding is the tape's; it is summed over the pictures and
 * multiplied by the kernel in binary64, in the order of pictures and of the kernel's channels. */
#ifndef PULSE_EVAL_KNOWLEDGE_PERTURBATION_H
#define PULSE_EVAL_KNOWLEDGE_PERTURBATION_H

#include "eval/evaluate.h"

enum { PERTURBATION_MOST = 12, PERTURBATION_STEPS = 50 };

typedef struct {
    int8_t *delta;                       // [height, width, 3]
    size_t  width, height;
} Perturbation;

/* The change of a picture by delta; `p` must outlive it. */
PictureChange perturbation_change(const Perturbation *p);

/* The derivative of the summed CE with respect to the normalised pixels, summed over the samples, in `out` [channels, height, width]. The
 * kernel of the patch embedding must be trainable (perturbation_watch). Samples without a picture are refused. */
bool perturbation_gradient(const Model *m, const BatchSample *samples, size_t count, double *out, Error *e);
/* Makes the kernel trainable, so that derivatives reach it; no weight changes. */
bool perturbation_watch(Weights *w, Error *e);

/* Finds delta, in `a`, by `steps` steps on the questions, which all have a picture. The reader's own change must be NULL. */
bool perturbation_find(Perturbation *out, const Model *m, const Reader *r, const Questions *q, int64_t steps, Arena *a, Error *e);

#endif
