/* SPDX-License-Identifier: MIT */
/* The families of operators. Most sizes are odd, so that kernels also meet the elements that are left over after the
 * last whole vector or block. */
#include "ref/digest/digest.h"
#include "tensor/base/float.h"

typedef Node *Unary(Tape *t, Node *x);
typedef Node *Binary(Tape *t, Node *a, Node *b);

#define EACH(i, list) (size_t i = 0; i < sizeof list / sizeof *list; i++)

/* Runs the functions of one argument on every 2039th bit pattern of a float, from that of +0 on up to the negative
 * NaNs. */
void digest_scalar(Probe *p)
{
    static Unary *const functions[] = {
        op_gelu, op_quick_gelu, op_silu, op_gelu_grad, op_quick_gelu_grad, op_silu_grad, op_sigmoid, op_log_sigmoid,
        op_exp, op_log, op_sqrt, op_rsqrt,
    };
    enum { STRIDE = 2039 };
    const size_t n = ((size_t)1 << 32) / STRIDE;
    Tensor x = tensor_f32(p->arena, shape_of(1, n));
    for (size_t i = 0; x.f32 && i < n; i++)
        x.f32[i] = float_from((uint32_t)(i * STRIDE));
    Node *in = tape_input(p->tape, "x", x);
    for EACH(k, functions)
        functions[k](p->tape, in);
}

void digest_pointwise(Probe *p)
{
    static Binary *const functions[] = { op_add, op_sub, op_mul };
    static Unary *const activations[] = { op_gelu, op_quick_gelu, op_silu };
    Tape *t = p->tape;
    const Shape s = shape_of(2, (size_t)37, (size_t)53), row = shape_of(1, (size_t)53);
    for (ProbeKind kind = 0; kind < PROBE_KINDS; kind++) {
        Node *a = probe_param(p, kind, s), *b = probe_param(p, kind, s), *g = probe_param(p, kind, row),
            *c = probe_param(p, kind, row);
        for EACH(k, functions)
            probe_seed(p, functions[k](t, a, b));
        probe_seed(p, op_scale(t, a, 1 / 3.0f));
        probe_seed(p, op_axpy(t, a, b, 0.7f));
        probe_seed(p, op_ratio(t, a, -2, 0.9f));
        probe_seed(p, op_mul_rows(t, a, g));
        probe_seed(p, op_affine_rows(t, a, g, c));
        for EACH(k, activations)
            probe_seed(p, activations[k](t, a));
        probe_seed_forward(p, op_sigmoid(t, a));
        probe_seed(p, op_log_sigmoid(t, a));
    }
}

static void product(Probe *p, ProbeKind kind, size_t n, size_t m, size_t k)
{
    Tape *t = p->tape;
    for (int transposes = 0; transposes < 4; transposes++) {
        const bool ta = transposes & 1, tb = transposes & 2;
        Node *a = probe_param(p, kind, ta ? shape_of(2, k, n) : shape_of(2, n, k));
        Node *b = probe_param(p, kind, tb ? shape_of(2, m, k) : shape_of(2, k, m));
        probe_seed(p, op_matmul(t, a, ta, b, tb));
    }
    Node *w = probe_param(p, kind, shape_of(2, m, k)), *bias = probe_param(p, kind, shape_of(1, m));
    probe_seed(p, op_linear(t, probe_param(p, kind, shape_of(2, n, k)), w, bias));
    op_linear(t, probe_input(p, kind, shape_of(2, n, k)), w, NULL);
    // one draw in each expression, because C does not fix the order in which arguments are evaluated
    Node *down = probe_input(p, kind, shape_of(2, m, (size_t)5));
    op_lora_merge(t, w, down, probe_input(p, kind, shape_of(2, (size_t)5, k)), 2 / 3.0f);
}

void digest_products(Probe *p)
{
    static const size_t sizes[][3] = { { 1, 1, 1 }, { 3, 5, 0 }, { 17, 23, 31 }, { 67, 49, 300 } };
    for (ProbeKind kind = 0; kind < PROBE_KINDS; kind++)
        for EACH(i, sizes)
            product(p, kind, sizes[i][0], sizes[i][1], sizes[i][2]);
    product(p, PROBE_NORMAL, 200, 129, 1031);
}

void digest_moves(Probe *p)
{
    static const int32_t ids[] = { 3, 0, 3, 10, 7, 3 }, keep[] = { 1, 0, 1, 1, 0, 1, 1, 0, 0, 1, 1 };
    Tape *t = p->tape;
    const Shape s = shape_of(2, (size_t)11, (size_t)29);
    for (ProbeKind kind = 0; kind < PROBE_KINDS; kind++) {
        Node *a = probe_param(p, kind, s), *b = probe_param(p, kind, s),
            *row = probe_param(p, kind, shape_of(1, (size_t)29));
        Node *list[] = { a, b, a };
        probe_seed(p, op_reshape(t, op_transpose(t, a), shape_of(1, (size_t)(11 * 29))));
        probe_seed(p, op_concat_rows(t, 3, list));
        probe_seed(p, op_slice_rows(t, a, 2, 5));
        probe_seed(p, op_gather_rows(t, a, ids, sizeof ids / sizeof *ids));
        op_scatter_rows(t, op_slice_rows(t, b, 0, 6), ids, 6, 12);
        probe_seed(p, op_broadcast_rows(t, row, 7));
        probe_seed(p, op_mask(t, a, keep, 11));
        op_argmax(t, a);
        op_sum_n(t, 3, list);
        op_patches(t, probe_input(p, kind, shape_of(4, (size_t)2, (size_t)3, (size_t)8, (size_t)12)), 4);
    }
}

void digest_reductions(Probe *p)
{
    static const int32_t offsets[] = { 0, 5, 5, 6, 41 };
    Tape *t = p->tape;
    for (ProbeKind kind = 0; kind < PROBE_KINDS; kind++) {
        Node *a = probe_param(p, kind, shape_of(2, (size_t)41, (size_t)33)),
            *b = probe_param(p, kind, shape_of(2, (size_t)41, (size_t)33));
        Node *v = probe_param(p, kind, shape_of(1, (size_t)41)), *list[] = { a, b, v };
        probe_seed(p, op_sum(t, a));
        probe_seed(p, op_mean(t, a));
        op_column_sum(t, a);
        op_column_dot(t, a, b);
        probe_seed_forward(p, op_segment_sum(t, v, offsets, 4));
        probe_seed_forward(p, op_segment_mean(t, v, offsets, 4));
        op_square_norm(t, 3, list);
        op_square_sum(t, a);
    }
}

void digest_norms(Probe *p)
{
    static const size_t widths[] = { 1, 7, 64, 301 };
    for (ProbeKind kind = 0; kind < PROBE_KINDS; kind++) {
        for EACH(i, widths) {
            Node *x = probe_param(p, kind, shape_of(2, (size_t)19, widths[i]));
            probe_seed(p, op_layernorm(p->tape, x, 1e-5f));
            probe_seed(p, op_rmsnorm(p->tape, x, 1e-6f));
        }
    }
}

void digest_attention(Probe *p)
{
    // each of the 3 segments: first row of queries, number of them, first row of keys, number of them
    static const int32_t segments[] = { 0, 5, 0, 5, 5, 3, 5, 9, 8, 11, 14, 11 }, positions[] = {
        0, 1, 2, 3, 4, 6, 7, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
    };
    Tape *t = p->tape;
    for (int causal = 0; causal < 2; causal++) {
        const Attention a = { .segments = segments, .count = 3, .heads = 4, .kv_heads = 2, .head_dim = 6,
                              .causal = causal };
        Node *q = probe_param(p, PROBE_NORMAL, shape_of(2, (size_t)19, (size_t)24));
        Node *k = probe_param(p, PROBE_NORMAL, shape_of(2, (size_t)25, (size_t)12));
        Node *v = probe_param(p, PROBE_NORMAL, shape_of(2, (size_t)25, (size_t)12));
        Node *cosines = probe_input(p, PROBE_NORMAL, shape_of(2, (size_t)11, (size_t)3)),
             *sines = probe_input(p, PROBE_NORMAL, shape_of(2, (size_t)11, (size_t)3));
        Node *turned = op_rope(t, q, cosines, sines, positions, 4);
        probe_seed(p, op_attention_mix(t, op_attention_softmax(t, op_attention_scores(t, turned, k, a), a), v, a));
    }
}

void digest_losses(Probe *p)
{
    static const int32_t labels[] = { 4, -1, 0, 100, 36, 36, -1 };
    Tape *t = p->tape;
    for (ProbeKind kind = 0; kind < PROBE_KINDS; kind++) {
        if (kind == PROBE_BITS)
            continue;
        const Shape s = shape_of(2, (size_t)7, (size_t)101);
        Node *z = probe_param(p, kind, s), *c = probe_input(p, PROBE_NORMAL, shape_of(1, (size_t)7));
        Node *q = op_softmax(t, probe_input(p, kind, s)), *lq = op_log_softmax(t, probe_input(p, kind, s));
        Node *probabilities = op_softmax(t, z);
        op_logit_grad(t, probabilities, q, c);
        op_logit_grad_label(t, probabilities, c, labels);
        op_kl(t, q, lq, op_log_softmax(t, z));
        probe_seed(p, probabilities);
        probe_seed_forward(p, op_nll(t, z, labels));
    }
}

void digest_optimiser(Probe *p)
{
    Tape *t = p->tape;
    const Shape s = shape_of(2, (size_t)31, (size_t)47);
    for (ProbeKind kind = 0; kind < PROBE_BITS; kind++) {
        Node *w = probe_input(p, kind, s), *g = probe_input(p, kind, s), *m = probe_input(p, kind, s),
            *v = op_mul(t, m, m);
        Node *clipped = op_scale_by(t, g, op_clip_factor(t, op_square_norm(t, 1, &g), 1));
        Node *m1 = op_adam_m(t, m, clipped, 0.9f), *v1 = op_adam_v(t, v, clipped, 0.999f);
        op_adamw(t, w, m1, v1, 1e-3f, 1e-8f, 0.01f, 1 - (double)0.9f, 1 - (double)0.999f);
        op_adam(t, w, m1, v1, 1e-3f, 1e-8f, 1 - (double)0.9f, 1 - (double)0.999f);
        op_sgd(t, w, g, 0.1f, 0.01f);
        op_momentum(t, m, g, 0.9f);
    }
}

/* Runs the operators that are not in pinned.def, on several kinds of fresh data. Today there are none. */
void digest_later_operators(Probe *p) { (void)p; }
