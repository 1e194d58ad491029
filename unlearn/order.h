/* SPDX-License-Identifier: MIT */
/* Order: which lists a step of a request reads, and which of their samples. unlearn.h says in words what the order is. */
#ifndef PULSE_UNLEARN_ORDER_H
#define PULSE_UNLEARN_ORDER_H

#include "unlearn/unlearn.h"

/* A list in a fresh order every epoch: entry k of the endless sequence is order[k % n] of epoch k / n. */
typedef struct {
    uint32_t *places, *order;           // places: of the samples in the role's list
    size_t    n;
    int64_t   epoch;                    // whose order stands in `order`; -1: none
    const char *purpose;
} EpochOrder;

typedef struct {
    const UnlearnRequest *request;
    unsigned  needs;                    // under the hyperparameters of the request
    EpochOrder      draws[ROLE_COUNT][2];     // of the lists with an order of their own: [text, picture]
    uint32_t *chosen[ROLE_COUNT];       // places of the step's samples, in order; of random samples those of their forget questions
    size_t    count[ROLE_COUNT];        // 0: the role is not in the step
    StepPhase phase;
    int64_t   epoch;                    // from 0
} Order;

/* `r` must outlive the order. False: no memory in `a`. */
bool order_make(Order *o, const UnlearnRequest *r, unsigned needs, Arena *a);
/* Chooses the samples of the step that comes after `turn` others of the request. */
void order_choose(Order *o, int64_t turn);
/* The random samples of step t (from 1): to each chosen forget question the answer of a retain sample, in `a`. */
bool order_random(const Order *o, int64_t t, BatchSample *to, Arena *a, Error *e);

#endif
