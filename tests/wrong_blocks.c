/* SPDX-License-Identifier: MIT */
/* Modules with their known mistakes: the module's own graph with another operator, number or weight in it, walked back as it is. */
#include <math.h>
#include <string.h>
#include "ref/block_case.h"
#include "tests/wrong.h"

typedef const float *In;

static bool like_first(const Call *c, Shape *out, Error *e)
{
    (void)e;
    *out = c->in[0]->out.shape;
    return true;
}

static size_t all(const Call *c) { return shape_size(c->out.shape); }

/* --- GELU by tanh: x sigmoid(2 k (x + a x^3)) --- */

static const double k2 = 2 * 0.7978845608028654, a3 = 0.044715;

static double gate(double x) { return 1 / (1 + exp(-k2 * (x + a3 * x * x * x))); }

static void gelu_tanh_kernel(const Call *c)
{
    for (size_t i = 0; i < all(c); i++)
        c->out.f32[i] = (float)((double)c->in[0]->out.f32[i] * gate((double)c->in[0]->out.f32[i]));
}

static void gelu_tanh_back_kernel(const Call *c)
{
    for (size_t i = 0; i < all(c); i++) {
        double x = (double)c->in[0]->out.f32[i], s = gate(x);
        c->out.f32[i] = (float)((double)c->in[1]->out.f32[i] * (s + x * s * (1 - s) * k2 * (1 + 3 * a3 * x * x)));
    }
}

/* --- norms with eps outside the root: n = (x - mean) / (sd + eps); n[0]: whether there is a mean --- */

static void eps_row(const Call *c, size_t row, In d)
{
    size_t cols = shape_cols(c->out.shape);
    In x = c->in[0]->out.f32 + row * cols;
    float *y = c->out.f32 + row * cols;
    double mean = 0, var = 0, m1 = 0, m2 = 0, n = (double)cols;
    bool centred = c->attrs->n[0];
    for (size_t i = 0; i < cols && centred; i++)
        mean += (double)x[i] / n;
    for (size_t i = 0; i < cols; i++)
        var += ((double)x[i] - mean) * ((double)x[i] - mean) / n;
    double sd = sqrt(var), wide = sd + (double)c->attrs->f[0];
    for (size_t i = 0; d && i < cols; i++) {
        m1 += centred ? (double)d[i] / n : 0;
        m2 += (double)d[i] * ((double)x[i] - mean) / n;
    }
    for (size_t i = 0; i < cols; i++)
        y[i] = d ? (float)(((double)d[i] - m1) / wide - ((double)x[i] - mean) * m2 / sd / wide / wide) : (float)(((double)x[i] - mean) / wide);
}

static void eps_outside_kernel(const Call *c)
{
    for (size_t row = 0; row < shape_rows(c->out.shape); row++)
        eps_row(c, row, NULL);
}

static void eps_outside_back_kernel(const Call *c)
{
    for (size_t row = 0; row < shape_rows(c->out.shape); row++)
        eps_row(c, row, c->in[1]->out.f32 + row * shape_cols(c->out.shape));
}

/* --- rotary positions on pairs (0, 1), (2, 3), … --- */

static void turn_pairs(const Call *c, double sign)
{
    size_t half = c->in[1]->out.shape.dim[1], cols = shape_cols(c->out.shape);
    for (size_t i = 0; i < all(c); i += 2) {
        size_t at = (size_t)c->attrs->index[i / cols] * half + i % cols % (2 * half) / 2;
        double a = (double)c->in[0]->out.f32[i], b = (double)c->in[0]->out.f32[i + 1], cosine = (double)c->in[1]->out.f32[at], sine = sign * (double)c->in[2]->out.f32[at];
        c->out.f32[i] = (float)(a * cosine - b * sine);
        c->out.f32[i + 1] = (float)(b * cosine + a * sine);
    }
}

static void pairs_kernel(const Call *c)      { turn_pairs(c, 1); }
static void pairs_back_kernel(const Call *c) { turn_pairs(c, -1); }

/* Wrong operators and their derivatives, under names whose bounds have a rule: nobody looks at them. */
static const Op gelu_tanh_back = { .name = "mul", .shape = like_first, .kernel = gelu_tanh_back_kernel };
static const Op eps_outside_back = { .name = "mul", .shape = like_first, .kernel = eps_outside_back_kernel };
static const Op pairs_back = { .name = "reshape", .shape = like_first, .kernel = pairs_back_kernel };

static void gelu_tanh_vjp(Tape *t, Node *y, Node *dy)   { tape_contribute(t, y->in[0], tape_push(t, &gelu_tanh_back, 2, (Node *[]){ y->in[0], dy }, &y->attrs)); }
static void eps_outside_vjp(Tape *t, Node *y, Node *dy) { tape_contribute(t, y->in[0], tape_push(t, &eps_outside_back, 2, (Node *[]){ y->in[0], dy }, &y->attrs)); }
static void pairs_vjp(Tape *t, Node *y, Node *dy)       { tape_contribute(t, y->in[0], tape_push(t, &pairs_back, 3, (Node *[]){ dy, y->in[1], y->in[2] }, &y->attrs)); }

static const Op gelu_tanh = { .name = "reshape", .shape = like_first, .kernel = gelu_tanh_kernel, .vjp = gelu_tanh_vjp };
static const Op eps_outside = { .name = "reshape", .shape = like_first, .kernel = eps_outside_kernel, .vjp = eps_outside_vjp };
static const Op pairs = { .name = "reshape", .shape = like_first, .kernel = pairs_kernel, .vjp = pairs_vjp };

/* --- making the mistakes --- */

static void swap_op(BlockCase *b, const char *name, const Op *wrong)
{
    const Tape *t = &b->step.trainer.tape;
    for (size_t k = 0; k < t->count; k++)
        if (unit_has(&b->unit, t->nodes[k]) && strcmp(t->nodes[k]->op->name, name) == 0) {
            t->nodes[k]->attrs.n[0] = wrong == &eps_outside ? name[0] == 'l' : t->nodes[k]->attrs.n[0];
            t->nodes[k]->op = wrong;
        }
}

static void no_scale(BlockCase *b)
{
    const Tape *t = &b->step.trainer.tape;
    for (size_t k = 0; k < t->count; k++)
        if (unit_has(&b->unit, t->nodes[k]) && strcmp(t->nodes[k]->op->name, "axpy") == 0)
            t->nodes[k]->attrs.f[0] = 1;
}

static void transpose_a(BlockCase *b, Arena *a)             // A^T as it lies in memory, read as A
{
    const Tape *t = &b->step.trainer.tape;
    for (size_t k = 0; k < t->count; k++)
        if (!t->nodes[k]->op && strstr(t->nodes[k]->name, ".layers.0.self_attn.q_proj.lora_A.weight")) {
            Tensor right = t->nodes[k]->out, wrong = tensor_f32(a, right.shape);
            size_t r = right.shape.dim[0], n = right.shape.dim[1];
            for (size_t i = 0; wrong.f32 && i < r * n; i++)
                wrong.f32[i] = right.f32[i % r * n + i / r];
            t->nodes[k]->out = wrong;
        }
}

static bool make(BlockCase *b, const char *flag, Arena *a)
{
    if (strcmp(flag, "GeluTanh") == 0)
        swap_op(b, "gelu", &gelu_tanh);
    else if (strcmp(flag, "QuickGeluMissing") == 0)
        swap_op(b, "quick_gelu", op_find("gelu"));
    else if (strcmp(flag, "EpsOutsideSqrt") == 0) {
        swap_op(b, "layernorm", &eps_outside);
        swap_op(b, "rmsnorm", &eps_outside);
    } else if (strcmp(flag, "RopeInterleaved") == 0)
        swap_op(b, "rope", &pairs);
    else if (strcmp(flag, "LoraNoScale") == 0)
        no_scale(b);
    else if (strcmp(flag, "LoraATransposed") == 0)
        transpose_a(b, a);
    else
        return false;
    return true;
}

static bool over(Tensor got, const Tensor *want, const Tensor *bound)
{
    for (size_t i = 0; want && bound && i < shape_size(got.shape); i++)
        if (!(fabs((double)got.f32[i] - (double)want->f32[i]) <= (double)bound->f32[i]))
            return true;
    return false;
}

/* Those of its answers that the mistake changes by more than fp32 may. The gradient of a weight that is read wrongly has no one place. */
static void wrong_block(Wrong *w, const BlockForm *f, const char *flag)
{
    BlockCase b;
    Store right;
    char *id = arena_format(w->arena, "block/%s", f->id);
    if (block_case_open(&b, f, arena_format(w->arena, "%s/models", w->suite), w->arena, w->error) && make(&b, flag, w->arena)
        && block_case_answer(&b, f, w->arena, w->error) && store_open(&right, arena_format(w->arena, "%s/%s/out.safetensors", w->suite, id), w->arena, w->error)) {
        for (size_t k = 0; k < right.count; k++) {
            const char *name = right.entries[k].name;
            for (size_t j = 0; j < b.out_count; j++)
                if (strncmp(name, "bound.", 6) != 0 && strcmp(b.out[j].name, name) == 0 && !strstr(name, "@grad.lora_A")
                    && over(b.out[j].tensor, &right.entries[k].tensor, store_find(&right, arena_format(w->arena, "bound.%s", name)))) {
                    float *y = wrong_answer(w, id, flag, name, b.out[j].tensor.shape);
                    if (y)
                        memcpy(y, b.out[j].tensor.f32, tensor_bytes(b.out[j].tensor));
                }
        }
        json_decref(b.ops);
    }
    block_case_close(&b);
}

/* --- the choice of the tower's rows: another layer, the class token too, the norm that CLIP alone has --- */

static void select_rows(Wrong *w, const char *id, const char *flag, const char *states, size_t patches)
{
    Store in = wrong_open(w, id);
    const Tensor *x = store_find(&in, states);
    In g = wrong_floats(&in, "vision_tower.vision_model.post_layernorm.weight", NULL), bias = wrong_floats(&in, "vision_tower.vision_model.post_layernorm.bias", NULL);
    if (!x || !g || !bias) {
        error_set(w->error, "wrong: %s does not hold what %s needs", id, flag);
        return;
    }
    size_t rows = x->shape.dim[0], cols = x->shape.dim[1], kept = strcmp(flag, "ClsKept") == 0 ? rows : rows / (patches + 1) * patches, to = 0;
    float *y = wrong_answer(w, id, flag, "vision_tower.vision_model@out", shape_of(2, kept, cols));
    for (size_t row = 0; y && row < rows; row++) {
        In r = x->f32 + row * cols;
        double mean = 0, var = 0;
        if (kept < rows && row % (patches + 1) == 0)
            continue;
        for (size_t i = 0; i < cols; i++)
            mean += (double)r[i] / (double)cols;
        for (size_t i = 0; i < cols; i++)
            var += ((double)r[i] - mean) * ((double)r[i] - mean) / (double)cols;
        for (size_t i = 0; i < cols; i++, to++)
            y[to] = strcmp(flag, "PostNormApplied") == 0 ? (float)(((double)r[i] - mean) / sqrt(var + (double)1e-5f) * (double)g[i] + (double)bias[i]) : r[i];
    }
}

void wrong_blocks(Wrong *w)
{
    for (size_t k = 0; k < block_forms_count; k++) {
        char flag[64];
        for (const char *flags = block_forms[k].flags; *flags && !strstr(block_forms[k].id, "select"); flags += strspn(flags, " ")) {
            snprintf(flag, sizeof flag, "%.*s", (int)strcspn(flags, " "), flags);
            flags += strlen(flag);
            wrong_block(w, &block_forms[k], arena_text(w->arena, flag));
        }
    }
    select_rows(w, "block/vision_select.a", "LayerMinus1", "hidden_states.2", 4);
    select_rows(w, "block/vision_select.a", "ClsKept", "hidden_states.1", 4);
    select_rows(w, "block/vision_select.a", "PostNormApplied", "hidden_states.1", 4);
    select_rows(w, "block/vision_select.b", "ClsKept", "hidden_states.2", 9);
    select_rows(w, "block/vision_select.b", "PostNormApplied", "hidden_states.2", 9);
}
