/* SPDX-License-Identifier: MIT */
/* Tape: the operators of one step in the order in which they ran. A backward pass along the tape computes the
 * gradients.
 *
 *     Tape t = tape_make(&arena, &error);
 *     Node *w = tape_param(&t, "w", weight, true);
 *     Node *x = tape_input(&t, "x", pixels);
 *     Node *y = op_linear(&t, x, w, NULL);          // runs at once: y->out holds the floats
 *     tape_seed(&t, y, dy);                         // the node dy holds d loss / d y
 *     tape_backward(&t);                            // runs and records the operators of the gradients
 *     if (!t.error->failed)
 *         use(w->grad->out.f32);                    // d loss / d w
 *     tape_reset(&t);                               // the step is over, and its memory is free for the next one
 *
 * A node is a leaf (a parameter, an input) or the result of an operator. Gradients and optimiser updates are nodes too,
 * so the array of nodes is the trace of a step.
 * Always: nodes[k]->id is k, and the inputs of a node come before it. A gradient with several contributions is their
 * sum, rounded once (operator sum_n), so the order of contributions cannot be seen in the bits.
 * A gradient is computed only where a trainable parameter needs it, and none is lost silently: if an operator cannot
 * pass on a gradient that a trainable parameter needs, the tape fails with an error that names the operator and the
 * parameter. Two things end a gradient on purpose: an operator's record (GRADIENT_NONE) and tape_stop.
 * Errors: after the first failure every function that makes a node does nothing and returns NULL, and accepts NULL
 * nodes; so a model's code is plain mathematics, and looks at the Error once, at its end.
 * Memory: nodes and results belong to the arena, and live until tape_reset. A tape belongs to one thread at a time;
 * several threads may each have a tape with an arena and an Error of its own. */
#ifndef PULSE_TENSOR_TAPE_H
#define PULSE_TENSOR_TAPE_H

#include "tensor/op.h"

typedef enum { PHASE_FORWARD, PHASE_BACKWARD, PHASE_OPTIMISER } Phase;

/* A piece of a computation that may be run again: it records operators on x and on nodes that are on the tape already,
 * and returns the last one. It records the same at every call, and should make no node of a trainable parameter
 * (tape_segment). `context` must live as long as the tape. */
typedef struct {
    Node *(*run)(Tape *t, Node *x, const void *context);
    const void *context;
} TapeSegment;

struct Node {
    size_t      id;          // its index on the tape
    const Op   *op;          // the operator; NULL: the node is a leaf
    const char *name;        // of a leaf: "param.<name>" or "input.<name>"; otherwise NULL
    const char *module;      // the module path at the time of recording, "language_model.model.layers.0.mlp"
    Phase       phase;
    Node      **in;          // [n_in] the inputs
    size_t      n_in;
    Attrs       attrs;
    Tensor      out;         // the result
    // whether a gradient is wanted, because it leads to a trainable parameter; false under no_grad, after tape_stop,
    // and for the results of the backward pass and of the optimiser
    bool        wants_grad;
    Node      **contributions;                             // the gradients handed in so far
    size_t      n_contributions, contributions_capacity;
    size_t      n_passed;    // how many of the contributions a backward pass has passed on
    Node       *grad;        // d loss / d out after tape_backward; NULL: no gradient arrived
    // set in a node with the operator "segment" (tape_segment); in every other node, run is NULL
    TapeSegment segment;
};

struct Tape {
    Arena  *arena;           // memory of the step
    Error  *error;           // the first failure
    Node  **nodes;           // [count]
    size_t  count, capacity;
    bool    no_grad;         // set by the caller: no node wants a gradient
    bool    checkpoint;      // set by the caller: the backward pass runs segments again (tape_segment)
    Phase   phase;           // written into the nodes that follow; the backward pass and the optimiser set it
    const char *module;      // written into the nodes that follow
    size_t  contributed;     // how many gradients were handed in, over all nodes
};

/* A tape without nodes. The arena reports to `error` from now on. The function also records a failure in `error` if the
 * calling thread's floating-point environment is not that of IEEE 754 (float_env_check). */
Tape  tape_make(Arena *arena, Error *error);
/* Forgets all nodes, takes back the whole arena, and checks the floating-point environment again. no_grad and
 * checkpoint stay as they are. */
void  tape_reset(Tape *t);

/* These make leaves. The name is copied. The numbers are borrowed, and must stay unchanged until tape_reset; only
 * tape_scalar copies its number. */
Node *tape_param(Tape *t, const char *name, Tensor value, bool trainable);
Node *tape_input(Tape *t, const char *name, Tensor value);
Node *tape_scalar(Tape *t, const char *name, float value);

/* Runs an operator on the results of `in` and records it. `attrs` may be NULL: all attributes are 0. attrs->index must
 * live as long as the tape; tape_index gives such a copy of n numbers. The functions op_* of ops.h call this. */
Node *tape_push(Tape *t, const Op *op, size_t n_in, Node *const in[], const Attrs *attrs);
const int32_t *tape_index(Tape *t, const int32_t *values, size_t n);

/* Change the module path of the nodes that follow. tape_enter appends a part to it, such as "mlp", and returns the old
 * path, which tape_leave sets again. */
const char *tape_enter(Tape *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void  tape_leave(Tape *t, const char *before);

/* Hand the gradient dy, of n's shape, to n, in addition to what n has received. Nothing happens if n or dy is NULL or
 * n wants no gradient. The code of a loss calls tape_seed before the backward pass, and an operator's vjp calls
 * tape_contribute during it. */
void  tape_seed(Tape *t, Node *n, Node *dy);
void  tape_contribute(Tape *t, Node *n, Node *dy);
/* The backward pass: goes from the last node to the first and passes every gradient on to the inputs. A second pass
 * passes on only what was handed in since the first; `grad` is then the sum of all. */
void  tape_backward(Tape *t);
/* From now on n counts as a constant: no gradient passes it. This is a flag of the node, and records no operator. n may
 * be NULL. */
void  tape_stop(Node *n);

/* A scope without gradients gives memory back before the step is over: tape_scope_end forgets every node recorded since
 * tape_scope, except `keep`, and returns a leaf with a copy of keep's numbers. It forgets nothing and returns `keep`
 * itself after a failure, if no_grad is not set, if `keep` was recorded before the scope, or if the nodes outgrew the
 * room that tape_scope reserved (at least 4096). */
typedef struct { ArenaMark mark; size_t count; Node **nodes; } TapeScope;
TapeScope tape_scope(Tape *t);
Node *tape_scope_end(Tape *t, TapeScope s, Node *keep);

/* Runs a segment on x. Under `checkpoint` (gradient checkpointing) all its nodes are forgotten at once except the
 * result. The result's node has the operator "segment"; its inputs are x and all other nodes outside that the segment
 * reads. (If no gradient is wanted, the node is a leaf. A segment is kept whole if it makes a trainable parameter,
 * reads more than 128 nodes outside, or has more nodes than a scope has room for.) The backward pass runs the segment
 * again, passes back through it, and keeps only the gradients for the nodes outside. An operator depends on nothing but
 * its inputs, and every gradient outside is the sum of the same contributions. So the bits are the same as without
 * `checkpoint`; only the trace is shorter. */
Node *tape_segment(Tape *t, Node *x, TapeSegment f);

#endif
