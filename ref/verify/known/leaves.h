/* SPDX-License-Identifier: MIT */
/* Known mistakes in the inputs of a recorded graph: other weights, tables or pictures. A leaf gets other memory with
 * other numbers; its old memory stays as it is. The caller puts the nodes back. */
#ifndef PULSE_REF_VERIFY_KNOWN_LEAVES_H
#define PULSE_REF_VERIFY_KNOWN_LEAVES_H

#include "tensor/tape.h"

typedef struct { const Tape *tape; Arena *arena; } Graph;

void leaf_add_one(const Graph *g, Node *n);          // the weight of a norm, plus one
void leaf_swap_weights(const Graph *g, Node *n);     // of mul(silu(gate), up): the weights of gate and up are swapped
void leaf_swap_channels(const Graph *g, Node *n);    // of patches: the first and the last channel of the pictures are swapped
void leaf_other_theta(const Graph *g, Node *n);      // of rope: the tables for theta = 1e6
void leaf_round_tables(const Graph *g, Node *n);     // of rope: the tables rounded to bf16
// of linear: the memory of A^T of an adapter is read as if it were A
void leaf_transpose(const Graph *g, Node *n);

#endif
