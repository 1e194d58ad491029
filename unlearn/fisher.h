/* SPDX-License-Identifier: MIT */
/* Fisher: the diagonal of the empirical Fisher information, which says how much the loss of samples depends on each
 * trainable weight.
 *
 * F = S / n, where S is the sum of g^2 over n batches, and g is the gradient of the batch's cross-entropy CE. The
 * lists are read one after another, each in its order, in batches of `batch` samples. The last batch of a list may be
 * smaller, and no batch holds samples of two lists. The gradient of a batch is dropped before the next one, so S
 * needs most of the memory: one double for each weight. The operators of a training step compute g. S and S / n are
 * computed in binary64 as written, and F is the nearest fp32. */
#ifndef PULSE_UNLEARN_FISHER_H
#define PULSE_UNLEARN_FISHER_H

#include "unlearn/method.h"

/* How many trainable weight tensors a model has: one for each slot of the optimiser. */
size_t  trainable_count(const Model *m);
/* Trainable weight tensor k, in the order of the slots. */
Weight *trainable_at(const Model *m, size_t k);

/* The gradient of a trainable weight after the backward pass; NULL: it is zero. */
Node   *trainable_gradient(const Params *p, const Weight *w);

/* F of each trainable weight, in `a`. batch 0: each list is one batch. NULL, with a sentence in `e`: there is no
 * memory, or an F is not finite. */
Tensor *fisher_diagonal(Model *m, const SampleList *lists, size_t n_lists, size_t batch, Arena *a, Error *e);

/* Whether a weight moves under the forget term of mmunlearner. f is its F on what is forgotten, p its F on what is
 * preserved. With eps = 1e-15 and real numbers, it moves where f + eps >= threshold (p + eps); under fisher_eps =
 * below, it moves where f >= threshold (p + eps). */
bool fisher_selects(float f, float p, const Hyperparameters *hyper);

#endif
