/* SPDX-License-Identifier: MIT */
/* Again: a recorded step is computed a second time from its leaves, forward, backward and update. Where its nodes
 * are as they were, so are its bits; where some got another operator or other numbers, it is the step that an
 * implementation with this mistake makes. */
#ifndef PULSE_REF_TRACE_AGAIN_H
#define PULSE_REF_TRACE_AGAIN_H

#include "tensor/base/json.h"
#include "tensor/tape.h"

/* Says on a tape of trace_read which gradient arrived at each node, by "aliases" of trace.json: `grad` and
 * `wants_grad` are set, and `contributions` has the gradients that the forward phase computed. */
void again_gradients(Tape *t, const json_t *root, Arena *a);
/* Runs all nodes again, on a tape in `a`. Returns the new nodes by the ids of the old ones. Of the backward pass,
 * the gradients of nodes are found by the ids of the old gradients; NULL stands for its other nodes. Returns NULL
 * where an operator refused its inputs, and the error says so. */
Node **again_run(const Tape *t, Arena *a, Error *e);

#endif
