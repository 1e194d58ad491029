/* SPDX-License-Identifier: MIT */
/* Trained: the tensors that a request trains, and copies of them, for methods that work on what the training has changed. */
#ifndef PULSE_UNLEARN_TRAINED_H
#define PULSE_UNLEARN_TRAINED_H

#include "unlearn/method.h"

/* The trainable weights, and behind them the factors of the adapter that trains: A of pair k is tensor weights + 2 k, and
 * B is tensor weights + 2 k + 1. */
typedef struct {
    size_t count, weights;
    Weight **weight;                    // [count]
    Tensor *before;                     // [count] copies from when this was made
} Trained;

/* NULL: no memory in run->arena, or adapters that are not zero, which `run->error` says in the name of the method. */
Trained *trained_make(const MethodRun *run, const char *method);
/* Copies of all tensors as they are, in `a`. NULL: no memory. */
Tensor  *trained_copies(const Trained *t, Arena *a);
/* Makes all tensors what they were before. */
void     trained_restore(const Trained *t);
/* Whether the adapters are fresh: each B is zero. Else the error says so in the name of the method. */
bool     adapters_fresh(const MethodRun *run, const char *method);

#endif
