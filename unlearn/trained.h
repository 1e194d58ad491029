/* SPDX-License-Identifier: MIT */
/* Trained: the tensors that a request trains, and copies of them, for methods that work on what the training has
 * changed. */
#ifndef PULSE_UNLEARN_TRAINED_H
#define PULSE_UNLEARN_TRAINED_H

#include "unlearn/method.h"

/* The trainable weights, followed by the factors of the adapter that trains. Of its pair k (from 0), A is tensor
 * weights + 2 k, and B is tensor weights + 2 k + 1. */
typedef struct {
    size_t count, weights;
    Weight **weight;                    // [count]
    Tensor *before;                     // [count] copies of the tensors from the time of trained_make
} Trained;

/* Lists and copies the tensors that the request trains. NULL: there is no memory in run->arena, or the adapters are not
 * zero; `run->error` then names the method. */
Trained *trained_make(const MethodRun *run, const char *method);
/* Copies of all tensors as they are, in `a`. NULL: no memory. */
Tensor  *trained_copies(const Trained *t, Arena *a);
/* Copies `before` back into all tensors. */
void     trained_restore(const Trained *t);
/* Whether the adapters are fresh, so each B is zero. A request that goes on (run->goes_on) need not have fresh ones.
 * False: an error that names the method. */
bool     adapters_fresh(const MethodRun *run, const char *method);

#endif
