/* SPDX-License-Identifier: MIT */
/* Block case: one module of a tiny model alone, forward and backward, on drawn inputs and upstream gradients.
 *
 * in.safetensors holds <module>@grad.out, and <module>@in if the module reads another module's result. The selection
 * of the tower's features has hidden_states.0, hidden_states.1, … in place of @in, and the weights of post_layernorm,
 * which it must not apply. The file also holds the weights of the module under their full names, the other leaves
 * (pixels, rope.cos, rope.sin) and the index lists (positions, segments, ids). The rows are packed samples: `segments`
 * {first query, queries, first key, keys} replaces the padding mask of other implementations. out.safetensors holds
 * <module>@out, <module>@grad.in and <module>@grad.<weight>, each with its bound, bound.<name>. An answer with a bound
 * that is too loose (unit_tells) is left out. */
#ifndef PULSE_REF_VECTORS_CASE_BLOCK_H
#define PULSE_REF_VECTORS_CASE_BLOCK_H

#include "ref/trace/step.h"
#include "ref/trace/unit.h"
#include "tensor/base/json.h"
#include "tensor/store.h"

/* The matrices of the module are multiplied by `gain`. It is below 1 for whole layers, whose bounds would be useless
 * otherwise. settings: "section.key=value …". mistakes: as in SuiteCase (suite.h). */
typedef struct { const char *id, *model, *module, *settings, *definition, *mistakes; float gain; } BlockForm;
extern const BlockForm block_forms[];
extern const size_t block_forms_count;

/* A step of the model. The input of the module and the gradient of its output have been replaced by drawn numbers. So
 * have the factors B of adapters, which begin as zeros; and matrices are multiplied by the form's gain. */
typedef struct {
    Step step;
    Unit unit;
    Entry *in, *out;
    size_t in_count, out_count;
    Tape tape;                       // the tape of the module alone, which computed the answers
    size_t *node;                    // by index in `out`: the id of the answer's node on `tape`; not set for a bound
    json_t *ops;                     // the operators of the module in order, with their attributes
} BlockCase;

/* Opens the model of the form in the folder `models`, and draws the inputs of its module. Call block_case_close even
 * after a failure. */
bool block_case_open(BlockCase *c, const BlockForm *f, const char *models, Arena *a, Error *e);
/* Runs the module, and sets the members of `c` from c->in on. */
bool block_case_answer(BlockCase *c, const BlockForm *f, Arena *a, Error *e);
void block_case_close(BlockCase *c);

#endif
