/* SPDX-License-Identifier: MIT */
/* Loss case: one form of one method on given logits. The answers are the loss and its gradient with respect to the
 * logits, each with the bound of an fp32 implementation.
 *
 * A role of the method (forget, retain, …) has R rows of V logits, in B samples. For each role, in.safetensors holds
 *     z.<role>, z_ref.<role> [R, V]    the logits of the model, and of the reference model if the method has one
 *     labels.<role> [R]                -1: not supervised
 *     offsets.<role> [B + 1]           the rows of sample i are offsets[i] … offsets[i+1] - 1
 * out.safetensors holds loss, dz.<role>, bound.loss and bound.dz.<role>. The logits are drawn (Irwin-Hall normals), and
 * those of the model differ from those of the reference. */
#ifndef PULSE_REF_VECTORS_CASE_LOSS_H
#define PULSE_REF_VECTORS_CASE_LOSS_H

#include "tensor/store.h"
#include "unlearn/method.h"

/* variants: the hyperparameters that are not the defaults, "beta=0.1 alpha=1.3". mistakes: the names of known mistakes
 * (suite.h). masked: the retained samples also have rows of the picture and of the prompt, which are not supervised.
 * next.retain [R] is then the token after each row, or V - 1 if this is a token of the picture. shared: each alternate
 * shares a token with its forget answer. */
typedef struct { const char *id, *method, *variants, *mistakes; bool masked, shared; } LossForm;
extern const LossForm loss_forms[];
extern const size_t loss_forms_count;

/* The inputs and the answers of a case. The kinds op, prep, tok, mask and weights use this struct, too. */
typedef struct {
    Entry in[4 * ROLE_COUNT], out[2 * ROLE_COUNT + 2];
    size_t in_count, out_count;
    Tape tape;                       // has computed the answers; without nodes if they are not computed on a tape
    size_t node[2 * ROLE_COUNT + 2]; // by index in `out`: the id of the answer's node; not set for a bound
} LossCase;

/* Makes the inputs and answers of a form. Everything lives in `a`. */
bool loss_case_make(const LossForm *f, LossCase *c, Arena *a, Error *e);

#endif
