/* SPDX-License-Identifier: MIT */
/* Tape: operators in order of execution; walked back, it makes the gradients.
 *
 *     Tape t = tape_make(&arena, &error);
 *     Node *w = tape_param(&t, "w", weight, true);
 *     Node *x = tape_input(&t, "x", pixels);
 *     Node *y = op_linear(&t, x, w, NULL);          // runs at once; y->out holds the floats
 *     tape_seed(&t, y, dy);                          // d loss / d y, itself a node
 *     tape_backward(&t);                             // records the derivative operators
 *     w->grad->out                                   // d loss / d w
 *     if (t.error->failed) ...
 *     tape_reset(&t);                                // one step is over
 *
 * Derivatives and optimiser updates are nodes too, so a trace of a step is just this array.
 * Always: nodes[k]->id == k; a node's inputs come before it. A gradient with several
 * contributions is one n-ary sum (op sum_n), rounded once, so their order cannot be seen.
 * Only what a trainable parameter needs is differentiated. After the first failure every call
 * returns NULL and does nothing (NULL inputs are passed through), so model code stays plain mathematics. */
#ifndef PULSE_TENSOR_TAPE_H
#define PULSE_TENSOR_TAPE_H

#include "tensor/op.h"

typedef enum { PHASE_FORWARD, PHASE_BACKWARD, PHASE_OPTIMISER } Phase;

struct Node {
    size_t      id;
    const Op   *op;          // NULL: a leaf
    const char *name;        // leaf: "param.<name>" or "input.<name>"; otherwise NULL
    const char *module;      // module path in force when it was recorded
    Phase       phase;
    Node      **in;
    size_t      n_in;
    Attrs       attrs;
    Tensor      out;
    bool        wants_grad;
    Node      **contributions; // gradients handed in so far
    size_t      n_contributions, contributions_room;
    size_t      n_walked;    // of these, how many a walk back has passed on
    Node       *grad;        // d loss / d out once tape_backward has passed; NULL: none
};

struct Tape {
    Arena  *arena;           // of the step
    Error  *error;
    Node  **nodes;
    size_t  count, room;
    bool    no_grad;         // record nothing for a walk back
    Phase   phase;
    const char *module;
    size_t  contributed;     // gradients handed in, over all nodes
};

Tape  tape_make(Arena *arena, Error *error);
/* Forgets all nodes and takes back the arena. Checks the floating-point environment of every thread. */
void  tape_reset(Tape *t);

/* Leaves. Data is borrowed and must stay until tape_reset. */
Node *tape_param(Tape *t, const char *name, Tensor value, bool trainable);
Node *tape_input(Tape *t, const char *name, Tensor value);
Node *tape_scalar(Tape *t, const char *name, float value);

/* Runs an operator and records it. */
Node *tape_push(Tape *t, const Op *op, size_t n_in, Node *const in[], const Attrs *attrs);
/* A copy of index data in the step arena, for Attrs. */
const int32_t *tape_index(Tape *t, const int32_t *values, size_t n);

/* The module path written into the nodes that follow: push "mlp" below the present one, and pop. */
const char *tape_enter(Tape *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void  tape_leave(Tape *t, const char *before);   // with what tape_enter returned

/* Gradients. tape_seed and tape_contribute add to what `n` receives; a NULL dy or an `n` that wants none is ignored. */
void  tape_seed(Tape *t, Node *n, Node *dy);
void  tape_contribute(Tape *t, Node *n, Node *dy);
void  tape_backward(Tape *t);
/* No gradient passes `n` from now on: it is a constant of the loss. A flag of the node, so no operator is recorded. */
void  tape_stop(Node *n);

/* No-grad scopes: everything recorded since tape_scope is forgotten but for `keep`, whose data survives. */
typedef struct { ArenaMark mark; size_t count; Node **nodes; } TapeScope;
TapeScope tape_scope(Tape *t);
Node *tape_scope_end(Tape *t, TapeScope s, Node *keep);   // only under no_grad; otherwise returns keep unchanged

#endif
