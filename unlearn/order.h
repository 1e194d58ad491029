/* SPDX-License-Identifier: MIT */
/* Order: which lists a step of a request reads, and which of their samples. The head of unlearn.h states the rules. */
#ifndef PULSE_UNLEARN_ORDER_H
#define PULSE_UNLEARN_ORDER_H

#include "unlearn/unlearn.h"

/* The samples of a list that have no picture, or those that have one, in a new order every epoch. The k-th draw (from
 * 0) is indices[order[k % n]], where `order` is the permutation of epoch k / n. */
typedef struct {
    uint32_t *indices;                  // [n] indices of the samples in the list of their role
    uint32_t *order;                    // [n] a permutation of 0 … n - 1
    size_t    n;
    int64_t   epoch;                    // the epoch that `order` belongs to; -1: none yet
    const char *purpose;                // the name of the stream of random numbers (tensor/base/random.h)
} EpochOrder;

typedef struct {
    const UnlearnRequest *request;
    unsigned  needs;                    // under the hyperparameters of the request
    EpochOrder draws[ROLE_COUNT][2];    // [without a picture, with one]; roles that follow the forget list have none
    uint32_t *chosen[ROLE_COUNT];       // indices of the step's samples in the list of their role, in the order of the
                                        // step; for the role "random", of the forget samples whose questions are asked
    size_t    count[ROLE_COUNT];        // 0: the role is not in the step
    StepPhase phase;
    int64_t   epoch;                    // from 0
} Order;

/* `r` must outlive the order. False: no memory in `a`. */
bool order_make(Order *o, const UnlearnRequest *r, unsigned needs, Arena *a);
/* Chooses the samples of a step (from 0) of the request. */
void order_choose(Order *o, int64_t step);
/* Makes the random samples of a step, in `a`: each has a chosen forget question, and the answer of a retain sample that
 * is drawn at random. t is MethodStep.step: from 1, over all rounds that share an optimiser. */
bool order_random(const Order *o, int64_t t, BatchSample *to, Arena *a, Error *e);

#endif
