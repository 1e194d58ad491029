/* SPDX-License-Identifier: MIT */
/* Universal perturbation: one small change of all pictures that makes a model say again what it has unlearned. If a
 * change of a few grey levels brings knowledge back, the knowledge was hidden, not removed.
 *
 * delta has the size of the model's pictures, and is the same for all pictures. Each element is a whole number of
 * grey levels, -12 … 12; a changed value of a picture is cut to 0 … 255. All elements begin with 0. Each of 50 steps
 * takes the derivative of the summed NLL of the right answers at the changed pictures, and moves every element by one
 * level against the derivative's sign; where the derivative is 0, the element stays. The training questions about one
 * fact are paraphrases of each other, and F is the largest number of them. Step t (from 0) reads
 * question t mod F (from 0) of each fact that has a question of this number.
 *
 * The tape gives the derivative at the outputs of the patch embedding. This derivative is then summed over the pictures
 * and multiplied by the kernel in binary64, in the order of pictures and of the kernel's channels. */
#ifndef PULSE_EVAL_KNOWLEDGE_PERTURBATION_H
#define PULSE_EVAL_KNOWLEDGE_PERTURBATION_H

#include "eval/evaluate.h"

enum { PERTURBATION_MOST = 12, PERTURBATION_STEPS = 50 };        // the largest |delta|; the number of steps

typedef struct {
    int8_t *delta;                       // [height, width, 3]
    size_t  width, height;
} Perturbation;

/* The change of a picture by delta; `p` must outlive it. */
PictureChange perturbation_change(const Perturbation *p);

/* The derivative of the NLL of the answers with respect to the normalised pixels, summed over the samples, in `out`
 * [channels, height, width]. The kernel of the patch embedding must be trainable (perturbation_watch). Error: a sample
 * has no picture. */
bool perturbation_gradient(const Model *m, const BatchSample *samples, size_t count, double *out, Error *e);
/* Makes the kernel of the patch embedding trainable, so that derivatives reach it. The weights stay as they are. */
bool perturbation_watch(Weights *w, Error *e);

/* Finds delta, in `a`, by `steps` steps on the questions, which must all have a picture. r->change must be NULL. */
bool perturbation_find(Perturbation *out, const Model *m, const Reader *r, const Questions *q, int64_t steps, Arena *a, Error *e);

#endif
