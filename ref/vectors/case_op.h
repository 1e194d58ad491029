/* SPDX-License-Identifier: MIT */
/* Op case: one operator on given inputs. in.safetensors holds the inputs under their names, and the operator's index
 * list, if it has one, under the name index; the other attributes are in case.json. out.safetensors holds the result y,
 * and bound.y, the error bound of an fp32 implementation. */
#ifndef PULSE_REF_VECTORS_CASE_OP_H
#define PULSE_REF_VECTORS_CASE_OP_H

#include "ref/vectors/case_loss.h"
#include "tensor/base/json.h"

enum { OP_INPUTS = 3 };

/* The inputs are Irwin-Hall normals times `scale`; a negative scale makes all of them positive. */
typedef struct {
    const char *id, *op;
    const char *mistakes;                // names of known mistakes, separated by blanks (suite.h)
    Shape shape[OP_INPUTS];
    float scale[OP_INPUTS];
    Attrs attrs;
} OpForm;

extern const OpForm op_forms[];
extern const size_t op_forms_count;

bool op_case_make(const OpForm *f, LossCase *c, json_t **attrs, Arena *a, Error *e);

#endif
