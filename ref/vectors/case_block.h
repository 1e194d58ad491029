/* SPDX-License-Identifier: MIT */
/* Block case: one module of a tiny model alone, forward and backward, on drawn inputs and upstream gradients.
 *
 * in.safetensors holds <module>@in, <module>@grad.out, the weights of the module under their full names, and the other
 * leaves (pixels, rope.cos, rope.sin) and index lists (positions, segments, ids) under theirs. The rows are packed
 * samples: `segments` {first query, queries, first key, keys} replaces the padding mask of other implementations.
 * out.safetensors holds <module>@out, <module>@grad.in and <module>@grad.<weight>, each with bound.<name>. */
#ifndef PULSE_REF_VECTORS_CASE_BLOCK_H
#define PULSE_REF_VECTORS_CASE_BLOCK_H

#include "ref/trace/step.h"
#include "ref/trace/unit.h"
#include "tensor/base/json.h"
#include "tensor/store.h"

/* The matrices of the model are multiplied by `gain`. It is below 1 where a whole layer would make the bounds
 * useless. */
typedef struct { const char *id, *model, *module, *settings, *definition, *flags; float gain; } BlockForm;
extern const BlockForm block_forms[];
extern const size_t block_forms_count;

/* A step of the model, whose numbers at the borders of the module have been replaced by drawn ones. */
typedef struct {
    Step step;
    Unit unit;
    Entry *in, *out;
    size_t in_count, out_count;
    Tape tape;                       // the tape of the module alone, which computed the answers
    size_t *node;                    // by index in `out`: the id of the answer's node on `tape`
    json_t *ops;                     // the operators of the module in order, with their attributes
} BlockCase;

/* Opens the model of the form in the folder `models`, and draws the inputs of its module. Call block_case_close in
 * either case. */
bool block_case_open(BlockCase *c, const BlockForm *f, const char *models, Arena *a, Error *e);
/* Runs the module and fills in, out and ops. */
bool block_case_answer(BlockCase *c, const BlockForm *f, Arena *a, Error *e);
void block_case_close(BlockCase *c);

#endif
