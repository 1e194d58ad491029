/* SPDX-License-Identifier: MIT */
/* Block case: one module of a tiny model alone, forward and backward, on drawn inputs and upstream gradients.
 *
 * in: <module>@in, <module>@grad.out, the module's weights under their full names, other leaves (pixels, rope.cos, rope.sin)
 * and rows (positions, segments, ids) under theirs. Rows are packed samples: `segments` {first query, queries, first key, keys}
 * is what a padding mask says elsewhere. out: <module>@out, <module>@grad.in, <module>@grad.<weight>, each with bound.<name>. */
#ifndef PULSE_REF_VECTORS_CASE_BLOCK_H
#define PULSE_REF_VECTORS_CASE_BLOCK_H

#include "ref/trace/step.h"
#include "ref/trace/unit.h"
#include "tensor/base/json.h"
#include "tensor/store.h"

/* gain: the model's matrices times this, so that bounds through a whole layer say something. */
typedef struct { const char *id, *model, *module, *settings, *definition, *flags; float gain; } BlockForm;
extern const BlockForm block_forms[];
extern const size_t block_forms_count;

/* A step of the model, in which the module is fed with what was drawn. */
typedef struct {
    Step step;
    Unit unit;
    Entry *in, *out;
    size_t in_count, out_count;
    json_t *ops;                     // its operators in order, with what they are told
} BlockCase;

/* `models`: the folder that holds the tiny models. The case is to be closed even after a failure. */
bool block_case_open(BlockCase *c, const BlockForm *f, const char *models, Arena *a, Error *e);
/* Runs the module: in, out, ops. */
bool block_case_answer(BlockCase *c, const BlockForm *f, Arena *a, Error *e);
void block_case_close(BlockCase *c);

#endif
