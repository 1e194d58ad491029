/* SPDX-License-Identifier: MIT */
/* Loss case: one form of one method on given logits: the loss, d loss / d logits, and how far fp32 may be from them.
 *
 * Tensors of a role (forget, retain, refusal, alternate): in: z.<role> [R, V], z_ref.<role> where the method has a reference,
 * labels.<role> [R] (-1: not supervised), offsets.<role> [B + 1] (rows of sample i: offsets[i] … offsets[i+1] - 1).
 * out: loss, dz.<role>; bound.loss, bound.dz.<role>. Logits are drawn (Irwin-Hall normals), the reference is away from them. */
#ifndef PULSE_REF_VECTORS_CASE_LOSS_H
#define PULSE_REF_VECTORS_CASE_LOSS_H

#include "tensor/store.h"
#include "unlearn/method.h"

/* masked: the retained samples have rows of picture and prompt, which are not supervised; next.retain [R] is the token after each row,
 * V - 1 where it is a picture's. */
typedef struct { const char *id, *method, *variants, *flags; bool masked; } LossForm;
extern const LossForm loss_forms[];
extern const size_t loss_forms_count;

typedef struct {
    Entry in[4 * ROLE_COUNT], out[2 * ROLE_COUNT + 2];
    size_t in_count, out_count;
} LossCase;

/* Everything lives in `a`. */
bool loss_case_make(const LossForm *f, LossCase *c, Arena *a, Error *e);

#endif
