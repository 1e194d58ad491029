/* SPDX-License-Identifier: MIT */
/* Unit: one module of a recorded step, run again by itself on a tape of its own. It gets its input and the
 * gradient of its output from the step, so it computes the same bits. Its bounds (tensor/bounds/bound.h)
 * are those of the module alone.
 *
 *     Unit *list; size_t count;
 *     units_find(&step_tape, &list, &count, &arena);
 *     UnitRun r;
 *     unit_run(&r, &step_tape, &list[k], &arena, &error);
 *     r.out->out, r.in->grad->out, r.bounds[r.out->id]
 *
 * Units are the modules that other implementations have too, under their paths on the Hugging Face Hub: embeddings,
 * norms, linear maps, attentions, MLPs, whole layers, the selection of the tower's features, the projector, and the
 * head. Three more are "loss" (its gradient is that of the logits), "clip" (all gradients become clipped ones) and
 * "optimiser" (clipped gradients become weights and moments). A module with several inputs or outputs on the tape is
 * not a unit. case_block.h and the "modules" of a trace (trace_file.h) are made of units. */
#ifndef PULSE_REF_TRACE_UNIT_H
#define PULSE_REF_TRACE_UNIT_H

#include "tensor/tape.h"

typedef struct {
    const char *module;              // its path on the Hub
    bool  parts;                     // it is made of other units; the gradients of the weights are left to these
    Node *in, *out;                  // nodes on the tape of the step; NULL: there is none, or there are many (clip, optimiser)
    // the highest id of its nodes in the forward phase; for "clip" and "optimiser", in the optimiser's phase
    size_t last;
} Unit;

typedef struct {
    Tape   tape;
    // by the id on the tape of the step: the same node on `tape`; NULL: the node is not part of the unit
    Node **node;
    Node  *in, *out;
    const float **bounds;            // by the id on `tape`
} UnitRun;

/* Finds the units of a step in order of execution; a unit comes after its parts. False: memory ran out. */
bool units_find(const Tape *t, Unit **list, size_t *count, Arena *a);
/* Whether the node is a forward node of the unit; for "clip" and "optimiser", its node of the optimiser's phase. */
bool unit_has(const Unit *u, const Node *n);
/* Whether the module of that path computes the node, in any phase: forward, backward or update. */
bool unit_spans(const char *module, const Node *n);
/* Whether a bound is tight enough to be useful: it is nowhere above an eighth of the largest absolute value. The bound
 * of a whole layer can be too loose, because the bounds of its parts multiply. */
bool unit_tells(const float *value, const float *bound, size_t n);
/* Runs the unit forward and backward, with bounds. Everything lives in `a`. */
bool unit_run(UnitRun *r, const Tape *t, const Unit *u, Arena *a, Error *e);
/* The gradient that the unit contributes to x, its input or a leaf, as a node on the tape of the step. NULL: there is
 * none, or no node holds it alone (the unit makes several of the contributions to x, and not all). */
Node *unit_gradient(const Unit *u, const Node *x);
/* The leaves of the unit on the tape of the step, in order of use. */
bool unit_leaves(const Tape *t, const Unit *u, Node ***list, size_t *count, Arena *a);
/* The index data of the unit: for each different array one node that reads it, and the operator's name for it, such as
 * "positions". A second array with the name "ids" is called "ids.1". */
typedef struct { const char *name; const Node *node; } UnitIndex;
bool unit_indices(const Tape *t, const Unit *u, UnitIndex **list, size_t *count, Arena *a);
/* The name of a weight relative to the module: "gate_proj.weight"; NULL: the leaf is not a weight of the module. */
const char *unit_weight(const Unit *u, const Node *leaf);

#endif
