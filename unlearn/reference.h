/* SPDX-License-Identifier: MIT */
/* Reference: the outputs (logits or hidden states) of a method's frozen reference model, computed once for each sample
 * and kept. */
#ifndef PULSE_UNLEARN_REFERENCE_H
#define PULSE_UNLEARN_REFERENCE_H

#include "unlearn/method.h"

typedef struct {
    const Model *model;                 // NULL: the method needs no reference
    bool    hidden;                     // the outputs are hidden state `layer`; false: the logits
    size_t  layer;
    Tensor *outputs[ROLE_COUNT];        // [role][sample of the role's list]; data NULL: not computed so far
    Arena  *arena;                      // owns what is kept
} Reference;

/* The outputs of a forward pass that the method's loss reads: its logits or, where r->hidden is true, hidden state
 * r->layer at the rows that have logits. */
Node *forward_outputs(const Reference *r, Tape *t, const Forward *f, const Batch *b);
/* The outputs for the samples list[chosen[0 … count - 1]] of a role, row after row, as a leaf of the tape. `rows` says
 * which rows of a sample are wanted. All samples whose outputs are still missing share one forward pass. NULL: a
 * failure; the tape's error says why. */
Node *reference_rows(Reference *r, Tape *t, Role role, const BatchSample *list, const uint32_t *chosen, size_t count, BatchRows rows);

#endif
