/* SPDX-License-Identifier: MIT */
/* Fisher: how strongly samples hold on to each trainable weight, the diagonal of the empirical Fisher information.
 *
 * F = S / n, where S is the sum of g^2 over n batches, and g is the gradient of the batch's cross-entropy CE. The lists are read one
 * after another, each in its order, in batches of `batch` samples, of which a list's last may be smaller; no batch holds samples of two
 * lists. The gradient of a batch is dropped before the next one, so the memory needed is that of S, one double a weight.
 * g comes from the operators of a training step; S and S / n are computed in binary64 as written, and F is the nearest fp32. */
#ifndef PULSE_UNLEARN_FISHER_H
#define PULSE_UNLEARN_FISHER_H

#include "unlearn/method.h"

/* The number of trainable weights of a model, which is that of the optimiser's slots, and weight k of them, in the order of the slots. */
size_t  trainable_count(const Model *m);
Weight *trainable_at(const Model *m, size_t k);

/* The gradient of a trainable weight after the walk back; NULL: it is zero. */
Node   *trainable_gradient(const Params *p, const Weight *w);

/* F of each trainable weight, in `a`. batch 0: each list is one batch. NULL, with a sentence in `e`: no memory, or an F that is not
 * finite. */
Tensor *fisher_diagonal(Model *m, const SampleList *lists, size_t n_lists, size_t batch, Arena *a, Error *e);

/* Whether a weight moves under the forget term of mmunlearner: F_f + eps >= threshold (F_p + eps) with eps = 1e-15, or with fisher_eps =
 * below F_f >= threshold (F_p + eps), over the reals. */
bool fisher_selects(float f, float p, const Hyperparameters *hyper);

#endif
