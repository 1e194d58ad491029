/* SPDX-License-Identifier: MIT */
/* Unit: a module of a recorded step, by itself: made again on a tape of its own, from what the step fed it with and
 * from the gradient that reached its output. The bits are the step's; the bounds (bound.h) are the module's alone.
 *
 *     Unit *list; size_t count;
 *     units_find(&step_tape, &list, &count, &arena);
 *     UnitRun r;
 *     unit_run(&r, &step_tape, &list[k], &arena, &error);
 *     r.out->out, r.in->grad->out, r.bounds[r.out->id]
 *
 * Units are the parts that someone else's model has too, under the Hub's module paths: embeddings, norms, linear maps,
 * attentions, MLPs, whole layers, the choice of the tower's rows, the projector, the head; then "loss" (its gradient is
 * that of the logits), "clip" (all gradients -> clipped ones) and "optimiser" (clipped gradients -> weights and moments).
 * A module with more than one input or output on the tape is left out. Used by case_block.h and by a trace's "modules" (trace_file.h). */
#ifndef PULSE_REF_TRACE_UNIT_H
#define PULSE_REF_TRACE_UNIT_H

#include "tensor/tape.h"

typedef struct {
    const char *module;              // Hub path
    bool  parts;                     // made of other units, which answer for the weights' gradients
    Node *in, *out;                  // on the step's tape; NULL: none, or many (clip, optimiser)
    size_t last;                     // id of its last node of the forward phase (of the optimiser's)
} Unit;

typedef struct {
    Tape   tape;
    Node **node;                     // by id on the step's tape: the node made again, NULL: not of the unit
    Node  *in, *out;
    const float **bounds;            // by id on `tape`
} UnitRun;

/* In order of execution, a whole after its parts. */
bool units_find(const Tape *t, Unit **list, size_t *count, Arena *a);
/* Whether the node is a forward node (an optimiser's node) of the unit. */
bool unit_has(const Unit *u, const Node *n);
/* Whether a bound says anything: it is nowhere over an eighth of the largest value. Through a whole layer bounds multiply. */
bool unit_tells(const float *value, const float *bound, size_t n);
bool unit_run(UnitRun *r, const Tape *t, const Unit *u, Arena *a, Error *e);
/* The gradient that the unit hands to x, its input or a leaf, on the step's tape; NULL: none. */
Node *unit_gradient(const Unit *u, const Node *x);
/* Its leaves on the step's tape, in order of use. */
bool unit_leaves(const Tape *t, const Unit *u, Node ***list, size_t *count, Arena *a);
/* Its nodes that have index data, each data once, and what the operators call it ("positions"; a second of one name "ids.1"). */
typedef struct { const char *name; const Node *node; } UnitIndex;
bool unit_indices(const Tape *t, const Unit *u, UnitIndex **list, size_t *count, Arena *a);
/* The name of a weight below the module: "gate_proj.weight"; NULL: the leaf is no weight. */
const char *unit_weight(const Unit *u, const Node *leaf);

#endif
