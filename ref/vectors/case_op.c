/* SPDX-License-Identifier: MIT */
#include "ref/vectors/case_op.h"

#include <stdio.h>
#include <string.h>
#include "tensor/bounds/bound.h"
#include "tensor/ops.h"
#include "ref/trace/trace_file.h"
#include "tensor/base/random.h"

#define VECTOR(n) { .rank = 1, .dim = { n } }
#define MATRIX(n, m) { .rank = 2, .dim = { n, m } }

static const int32_t positions[] = { 0, 1, 2, 3, 4, 11, 12 };

/* The inputs of the norms are small, so that eps matters. The moments of AdamW are as large
 * as after a first step with gradients of about 0.01. */
const OpForm op_forms[] = {
    { "gelu.default", "gelu", "GeluTanh", { VECTOR(97) }, { 2 }, { .f = { 0 } } },
    { "quick_gelu.default", "quick_gelu", "QuickGeluMissing", { VECTOR(97) }, { 2 }, { .f = { 0 } } },
    { "silu.default", "silu", "", { VECTOR(97) }, { 2 }, { .f = { 0 } } },
    { "layernorm.small", "layernorm", "EpsOutsideSqrt", { MATRIX(5, 15) }, { 0.01f }, { .f = { [NORM_EPS] = 1e-5f } } },
    { "rmsnorm.small", "rmsnorm", "EpsOutsideSqrt", { MATRIX(5, 18) }, { 0.01f }, { .f = { [NORM_EPS] = 1e-5f } } },
    { "rope.half_split", "rope", "RopeInterleaved", { MATRIX(7, 24), MATRIX(13, 4), MATRIX(13, 4) }, { 1, 1, 1 },
      { .n = { [ROPE_HEADS] = 3 }, .index = positions, .index_count = 7 } },
    { "linear.square", "linear", "LoraATransposed Tf32 Bf16Accum DropoutOn", { MATRIX(7, 31), MATRIX(31, 31), VECTOR(31) },
      { 1, 1, 1 }, { .f = { 0 } } },
    { "axpy.lora", "axpy", "LoraNoScale", { MATRIX(7, 13), MATRIX(7, 13) }, { 1, 1 }, { .f = { [AXPY_S] = 2 } } },
    { "adam_v.first", "adam_v", "BetaDecimal", { VECTOR(53), VECTOR(53) }, { -1e-8f, 1e-2f }, { .f = { [ADAM_V_BETA2] = 0.999f } } },
    { "adamw.first", "adamw", "AdamEpsInSqrt BiasCorrectionMissing DecayCoupled", { VECTOR(53), VECTOR(53), VECTOR(53) },
      { 1e-2f, 1e-3f, -1e-7f },
      { .f = { [ADAM_LR] = 1e-3f, [ADAM_EPS] = 1e-8f, [ADAM_DECAY] = 0.1f },
        .d = { [ADAM_C1] = 1 - (double)0.9f, [ADAM_C2] = 1 - (double)0.999f } } },
};
const size_t op_forms_count = sizeof op_forms / sizeof *op_forms;

static Node *input(const OpForm *f, size_t k, const char *name, LossCase *c, Tape *t)
{
    char purpose[96];
    Tensor x = tensor_f32(t->arena, f->shape[k]);
    snprintf(purpose, sizeof purpose, "vectors.%s.%zu", f->id, k);
    const Random r = random_for(1, purpose);
    if (!x.f32 || !name)
        return NULL;
    for (size_t i = 0; i < shape_size(x.shape); i++) {
        x.f32[i] = f->scale[k] * random_normal(r, i);
        if (f->scale[k] < 0 && x.f32[i] < 0)
            x.f32[i] = -x.f32[i];
    }
    c->in[c->in_count++] = (Entry){ name, x };
    return tape_input(t, name, x);
}

bool op_case_make(const OpForm *f, LossCase *c, json_t **attrs, Arena *a, Error *e)
{
    Tape t = tape_make(a, e);
    const Op *op = op_find(f->op);
    Node *in[OP_INPUTS];
    size_t n = 0;
    char *names = op ? arena_text(a, op->inputs) : NULL;
    *c = (LossCase){ .in_count = 0 };
    if (!names)
        return error_set(e, "record: there is no operator %s", f->op);
    for (char *name = strtok_r(names, " ?", &names); name && n < OP_INPUTS && f->shape[n].rank;
         name = strtok_r(NULL, " ?", &names), n++)
        in[n] = input(f, n, name, c, &t);
    if (f->attrs.index)
        c->in[c->in_count++] = (Entry){ "index",
                                        { .shape = shape_of(1, f->attrs.index_count), .dtype = I32,
                                          .i32 = (int32_t *)(uintptr_t)f->attrs.index } };
    Node *y = tape_push(&t, op, n, in, &f->attrs);
    const float **bounds;
    if (!y || !bound_tape(&t, &bounds, a, e))
        return error_prefix(e, "%s", f->id);
    c->tape = t;
    c->node[0] = y->id;
    c->out[c->out_count++] = (Entry){ "y", y->out };
    c->out[c->out_count++] = (Entry){ "bound.y", tensor_view((float *)(uintptr_t)bounds[y->id], y->out.shape) };
    *attrs = trace_attributes(y);
    if (f->attrs.index && *attrs) {
        char first[64];
        snprintf(first, sizeof first, "%.*s", (int)strcspn(op->index, " "), op->index);
        json_put(*attrs, first, json_string("index"));
    }
    return true;
}
