/* SPDX-License-Identifier: MIT */
/* Op case: one operator on given inputs: the result, and how far fp32 may be from it.
 *
 * in: the operator's inputs under their names, and index where it has one (attrs in case.json); out: y, bound.y. */
#ifndef PULSE_REF_VECTORS_CASE_OP_H
#define PULSE_REF_VECTORS_CASE_OP_H

#include "ref/vectors/case_loss.h"
#include "tensor/base/json.h"

enum { OP_INPUTS = 3 };

/* Inputs are Irwin-Hall normals times `scale`; a negative scale: their sizes. */
typedef struct {
    const char *id, *op, *flags;
    Shape shape[OP_INPUTS];
    float scale[OP_INPUTS];
    Attrs attrs;
} OpForm;

extern const OpForm op_forms[];
extern const size_t op_forms_count;

bool op_case_make(const OpForm *f, LossCase *c, json_t **attrs, Arena *a, Error *e);

#endif
