/* SPDX-License-Identifier: MIT */
/* Again: computes a recorded step a second time from its leaves: forward, backward and update. If its nodes are
 * unchanged, the bits are the same. If the caller has made a mistake in the nodes, another operator or other numbers,
 * the result is the step of an implementation that makes this mistake. */
#ifndef PULSE_REF_TRACE_AGAIN_H
#define PULSE_REF_TRACE_AGAIN_H

#include "tensor/base/json.h"
#include "tensor/tape.h"

/* Links each node of a tape of trace_read to its gradient: sets `grad`, `wants_grad` and `contributions`. "aliases" of
 * trace.json names the gradient. If a hook (Objective.gradients in train.h) replaced it, `grad` is the gradient that
 * the hook read. `contributions` are only those that the forward phase computed. */
void again_gradients(Tape *t, const json_t *root, Arena *a);
/* Runs all nodes again, on a tape in `a`. Returns the new nodes by the ids of the old ones. Of the old nodes of the
 * backward pass, only those that are a gradient have a new node; for the others there is NULL. Returns NULL if memory
 * ran out or an operator refused its inputs, and the error says so. */
Node **again_run(const Tape *t, Arena *a, Error *e);

#endif
