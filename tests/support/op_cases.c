/* SPDX-License-Identifier: MIT */
#include "tests/support/op_cases.h"

/* ROWS and COLS are prime, so that no block of an operator divides them. ROWS * COLS elements are enough work for the
 * threads of every operator that uses threads. */
#define ROWS 131
#define COLS 257
#define M(n, c) { 2, { n, c } }
#define V(n)    { 1, { n } }
#define MAT  M(ROWS, COLS)
#define VEC  V(COLS)
#define LIST V(ROWS)
#define ONE  { 0, { 0 } }
#define CALL(name, expression) static Node *make_##name(Tape *t, Node *const x[]) { return expression; }

static const int32_t ids[] = { 3, 0, 3, 130, 7, 3, 66 }, offsets[] = { 0, 5, 5, 6, 131 };
static int32_t labels[ROWS], keep[ROWS], positions[ROWS];

/* Two samples: 50 queries see 60 keys, and 81 queries see 90. There are 4 query heads on 2 key heads of size 6. */
static const int32_t segments[] = { 0, 50, 0, 60, 50, 81, 60, 90 };
static const Attention attention = { .segments = segments, .count = 2, .heads = 4, .kv_heads = 2, .head_dim = 6,
                                     .causal = true };
#define SCORES V(4 * (50 * 60 + 81 * 90))
#define Q M(ROWS, 24)
#define K M(150, 12)

/* Fills the tables that calls read, before the first call that reads one. */
static void fill_tables(void)
{
    if (positions[1])
        return;
    for (int32_t r = 0; r < ROWS; r++) {
        labels[r] = r % 5 ? r * 7 % COLS : -1;
        keep[r] = r % 3 != 0;
        positions[r] = r * 11 % 97;
    }
}
#define TABLE(name, table) (fill_tables(), table)

CALL(reshape, op_reshape(t, x[0], shape_of(1, (size_t)(ROWS * COLS))))
CALL(transpose, op_transpose(t, x[0]))
CALL(concat_rows, op_concat_rows(t, 2, x))
CALL(slice_rows, op_slice_rows(t, x[0], 17, 90))
CALL(gather_rows, op_gather_rows(t, x[0], ids, 7))
CALL(scatter_rows, op_scatter_rows(t, x[0], ids, 7, 140))
CALL(broadcast_rows, op_broadcast_rows(t, x[0], 9))
CALL(patches, op_patches(t, x[0], 7))
CALL(mask, op_mask(t, x[0], TABLE(t, keep), ROWS))
CALL(argmax, op_argmax(t, x[0]))
CALL(sum_n, op_sum_n(t, 3, x))
CALL(add, op_add(t, x[0], x[1]))
CALL(sub, op_sub(t, x[0], x[1]))
CALL(mul, op_mul(t, x[0], x[1]))
CALL(scale, op_scale(t, x[0], 1 / 3.0f))
CALL(axpy, op_axpy(t, x[0], x[1], -0.7f))
CALL(ratio, op_ratio(t, x[0], -2, 0.9f))
CALL(mul_rows, op_mul_rows(t, x[0], x[1]))
CALL(affine_rows, op_affine_rows(t, x[0], x[1], x[2]))
CALL(gelu, op_gelu(t, x[0]))
CALL(quick_gelu, op_quick_gelu(t, x[0]))
CALL(silu, op_silu(t, x[0]))
CALL(gelu_grad, op_gelu_grad(t, x[0]))
CALL(quick_gelu_grad, op_quick_gelu_grad(t, x[0]))
CALL(silu_grad, op_silu_grad(t, x[0]))
CALL(sigmoid, op_sigmoid(t, x[0]))
CALL(log_sigmoid, op_log_sigmoid(t, x[0]))
CALL(exp, op_exp(t, x[0]))
CALL(log, op_log(t, x[0]))
CALL(sqrt, op_sqrt(t, x[0]))
CALL(rsqrt, op_rsqrt(t, x[0]))
CALL(sum, op_sum(t, x[0]))
CALL(mean, op_mean(t, x[0]))
CALL(square_sum, op_square_sum(t, x[0]))
CALL(square_norm, op_square_norm(t, 3, x))
CALL(column_sum, op_column_sum(t, x[0]))
CALL(column_dot, op_column_dot(t, x[0], x[1]))
CALL(segment_sum, op_segment_sum(t, x[0], offsets, 4))
CALL(segment_mean, op_segment_mean(t, x[0], offsets, 4))
CALL(linear, op_linear(t, x[0], x[1], x[2]))
CALL(matmul, op_matmul(t, x[0], true, x[1], false))
CALL(lora_merge, op_lora_merge(t, x[0], x[1], x[2], 2 / 3.0f))
CALL(layernorm, op_layernorm(t, x[0], 1e-5f))
CALL(layernorm_dx, op_layernorm_dx(t, x[0], x[1], 1e-5f))
CALL(rmsnorm, op_rmsnorm(t, x[0], 1e-6f))
CALL(rmsnorm_dx, op_rmsnorm_dx(t, x[0], x[1], 1e-6f))
CALL(softmax, op_softmax(t, x[0]))
CALL(softmax_grad, op_softmax_grad(t, x[0], x[1]))
CALL(log_softmax, op_log_softmax(t, x[0]))
CALL(nll, op_nll(t, x[0], TABLE(t, labels)))
CALL(logit_grad, op_logit_grad(t, x[0], x[1], x[2]))
CALL(logit_grad_label, op_logit_grad_label(t, x[0], x[1], TABLE(t, labels)))
CALL(kl, op_kl(t, x[0], x[1], x[2]))
CALL(attention_scores, op_attention_scores(t, x[0], x[1], attention))
CALL(attention_softmax, op_attention_softmax(t, x[0], attention))
CALL(attention_softmax_grad, op_attention_softmax_grad(t, x[0], x[1], attention))
CALL(attention_mix, op_attention_mix(t, x[0], x[1], attention))
CALL(attention_mix_t, op_attention_mix_t(t, x[0], x[1], attention))
CALL(rope, op_rope(t, x[0], x[1], x[2], TABLE(t, positions), 2))
CALL(rope_back, op_rope_back(t, x[0], x[1], x[2], TABLE(t, positions), 2))
CALL(clip_factor, op_clip_factor(t, x[0], 0.5f))
CALL(scale_by, op_scale_by(t, x[0], x[1]))
CALL(adam_m, op_adam_m(t, x[0], x[1], 0.9f))
CALL(adam_v, op_adam_v(t, x[0], x[1], 0.999f))
CALL(adamw, op_adamw(t, x[0], x[1], x[2], 1e-3f, 1e-8f, 0.01f, 0.25, 0.5))
CALL(adam, op_adam(t, x[0], x[1], x[2], 1e-3f, 1e-8f, 0.25, 0.5))
CALL(sgd, op_sgd(t, x[0], x[1], 0.1f, 0.01f))
CALL(momentum, op_momentum(t, x[0], x[1], 0.9f))

#define SHAPES(...) { __VA_ARGS__ }
#define KINDS(...)  { __VA_ARGS__ }
#define CASE(name, count, shapes, kinds, backward) { #name, shapes, kinds, count, make_##name, backward }
#define NORMAL   KINDS(INPUT_NORMAL, INPUT_NORMAL, INPUT_NORMAL)
#define POSITIVE KINDS(INPUT_POSITIVE)
#define ELEMENTS(name, backward) CASE(name, 1, SHAPES(MAT), NORMAL, backward)

const OpCase op_cases[] = {
    ELEMENTS(reshape, "reshape"),
    ELEMENTS(transpose, "transpose"),
    CASE(concat_rows, 2, SHAPES(MAT, M(7, COLS)), NORMAL, "slice_rows slice_rows"),
    ELEMENTS(slice_rows, "scatter_rows"),
    ELEMENTS(gather_rows, "scatter_rows"),
    CASE(scatter_rows, 1, SHAPES(M(7, COLS)), NORMAL, "gather_rows"),
    CASE(broadcast_rows, 1, SHAPES(VEC), NORMAL, "column_sum"),
    CASE(patches, 1, SHAPES({ 4, { 2, 3, 42, 70 } }), NORMAL, NULL),
    ELEMENTS(mask, "mask"),
    ELEMENTS(argmax, NULL),
    CASE(sum_n, 3, SHAPES(MAT, MAT, MAT), NORMAL, ""),
    CASE(add, 2, SHAPES(MAT, MAT), NORMAL, ""),
    CASE(sub, 2, SHAPES(MAT, MAT), NORMAL, "scale"),
    CASE(mul, 2, SHAPES(MAT, MAT), NORMAL, "mul mul"),
    ELEMENTS(scale, "scale"),
    CASE(axpy, 2, SHAPES(MAT, MAT), NORMAL, "scale"),
    ELEMENTS(ratio, "ratio"),
    CASE(mul_rows, 2, SHAPES(MAT, VEC), NORMAL, "mul_rows column_dot"),
    CASE(affine_rows, 3, SHAPES(MAT, VEC, VEC), NORMAL, "mul_rows column_dot column_sum"),
    ELEMENTS(gelu, "gelu_grad mul"),
    ELEMENTS(quick_gelu, "quick_gelu_grad mul"),
    ELEMENTS(silu, "silu_grad mul"),
    ELEMENTS(gelu_grad, NULL),
    ELEMENTS(quick_gelu_grad, NULL),
    ELEMENTS(silu_grad, NULL),
    ELEMENTS(sigmoid, "scale sigmoid mul mul"),
    ELEMENTS(log_sigmoid, "scale sigmoid mul"),
    ELEMENTS(exp, "mul"),
    CASE(log, 1, SHAPES(MAT), POSITIVE, NULL),
    CASE(sqrt, 1, SHAPES(MAT), POSITIVE, "rsqrt scale mul"),
    CASE(rsqrt, 1, SHAPES(MAT), POSITIVE, NULL),
    ELEMENTS(sum, "reshape broadcast_rows reshape"),
    ELEMENTS(mean, "ratio reshape broadcast_rows reshape"),
    ELEMENTS(square_sum, "scale scale_by"),
    CASE(square_norm, 3, SHAPES(MAT, VEC, ONE), NORMAL, NULL),
    ELEMENTS(column_sum, "broadcast_rows"),
    CASE(column_dot, 2, SHAPES(MAT, MAT), NORMAL, "mul_rows mul_rows"),
    CASE(segment_sum, 1, SHAPES(LIST), NORMAL, NULL),
    CASE(segment_mean, 1, SHAPES(LIST), NORMAL, NULL),
    CASE(linear, 3, SHAPES(MAT, M(67, COLS), V(67)), NORMAL, "matmul matmul column_sum"),
    CASE(matmul, 2, SHAPES(MAT, M(ROWS, 61)), NORMAL, "matmul matmul"),
    CASE(lora_merge, 3, SHAPES(MAT, M(ROWS, 5), M(5, COLS)), NORMAL, NULL),
    ELEMENTS(layernorm, "layernorm_dx"),
    CASE(layernorm_dx, 2, SHAPES(MAT, MAT), NORMAL, NULL),
    ELEMENTS(rmsnorm, "rmsnorm_dx"),
    CASE(rmsnorm_dx, 2, SHAPES(MAT, MAT), NORMAL, NULL),
    ELEMENTS(softmax, "softmax_grad"),
    CASE(softmax_grad, 2, SHAPES(MAT, MAT), NORMAL, NULL),
    ELEMENTS(log_softmax, NULL),
    ELEMENTS(nll, "softmax logit_grad_label"),
    CASE(logit_grad, 3, SHAPES(MAT, MAT, LIST), NORMAL, NULL),
    CASE(logit_grad_label, 2, SHAPES(MAT, LIST), NORMAL, NULL),
    CASE(kl, 3, SHAPES(MAT, MAT, MAT), NORMAL, NULL),
    CASE(attention_scores, 2, SHAPES(Q, K), NORMAL, "attention_mix attention_mix_t"),
    CASE(attention_softmax, 1, SHAPES(SCORES), NORMAL, "attention_softmax_grad"),
    CASE(attention_softmax_grad, 2, SHAPES(SCORES, SCORES), NORMAL, NULL),
    CASE(attention_mix, 2, SHAPES(SCORES, K), NORMAL, "attention_scores attention_mix_t"),
    CASE(attention_mix_t, 2, SHAPES(SCORES, Q), NORMAL, "attention_scores attention_mix"),
    CASE(rope, 3, SHAPES(Q, M(97, 6), M(97, 6)), KINDS(INPUT_NORMAL, INPUT_CONSTANT, INPUT_CONSTANT), "rope_back"),
    CASE(rope_back, 3, SHAPES(Q, M(97, 6), M(97, 6)), KINDS(INPUT_NORMAL, INPUT_CONSTANT, INPUT_CONSTANT), "rope"),
    CASE(clip_factor, 1, SHAPES(ONE), POSITIVE, NULL),
    CASE(scale_by, 2, SHAPES(MAT, ONE), KINDS(INPUT_NORMAL, INPUT_CONSTANT), "scale_by"),
    CASE(adam_m, 2, SHAPES(MAT, MAT), NORMAL, NULL),
    CASE(adam_v, 2, SHAPES(MAT, MAT), NORMAL, NULL),
    CASE(adamw, 3, SHAPES(MAT, MAT, MAT), KINDS(INPUT_NORMAL, INPUT_NORMAL, INPUT_POSITIVE), NULL),
    CASE(adam, 3, SHAPES(MAT, MAT, MAT), KINDS(INPUT_NORMAL, INPUT_NORMAL, INPUT_POSITIVE), NULL),
    CASE(sgd, 2, SHAPES(MAT, MAT), NORMAL, NULL),
    CASE(momentum, 2, SHAPES(MAT, MAT), NORMAL, NULL),
};
const size_t op_cases_count = sizeof op_cases / sizeof *op_cases;

/* --- wrong index data --- */

static const int32_t beyond[] = { 0, 999999 }, below[] = { 0, -7 }, falling[] = { 5, 3 }, far[] = { 0, 999999 };
static const int32_t wild[] = { 0, 50, 999999, 60 };
static const Attention outside = { .segments = wild, .count = 1, .heads = 4, .kv_heads = 2, .head_dim = 6 };
static int32_t bad_labels[ROWS] = { [1] = 999999 }, low_labels[ROWS] = { [1] = -7 },
    bad_positions[ROWS] = { [1] = 999999 };

CALL(gather_beyond, op_gather_rows(t, x[0], beyond, 2))
CALL(gather_below, op_gather_rows(t, x[0], below, 2))
CALL(scatter_beyond, op_scatter_rows(t, x[0], beyond, 2, 9))
CALL(scatter_below, op_scatter_rows(t, x[0], below, 2, 9))
CALL(slice_beyond, op_slice_rows(t, x[0], 999999, 1))
CALL(slice_wrap, op_slice_rows(t, x[0], 1, SIZE_MAX))
CALL(labels_beyond, op_nll(t, x[0], bad_labels))
CALL(labels_below, op_nll(t, x[0], low_labels))
CALL(grad_beyond, op_logit_grad_label(t, x[0], x[1], bad_labels))
CALL(offsets_falling, op_segment_sum(t, x[0], falling, 1))
CALL(offsets_beyond, op_segment_mean(t, x[0], far, 1))
CALL(positions_beyond, op_rope(t, x[0], x[1], x[2], bad_positions, 2))
CALL(segments_beyond, op_attention_scores(t, x[0], x[1], outside))
CALL(mix_beyond, op_attention_mix(t, x[0], x[1], outside))

#define BAD(name, call, count, shapes) { #name, shapes, NORMAL, count, make_##call, NULL }
const OpCase op_bad_index[] = {
    BAD(gather_rows, gather_beyond, 1, SHAPES(MAT)),
    BAD(gather_rows, gather_below, 1, SHAPES(MAT)),
    BAD(scatter_rows, scatter_beyond, 1, SHAPES(M(2, 3))),
    BAD(scatter_rows, scatter_below, 1, SHAPES(M(2, 3))),
    BAD(slice_rows, slice_beyond, 1, SHAPES(MAT)),
    BAD(slice_rows, slice_wrap, 1, SHAPES(MAT)),
    BAD(nll, labels_beyond, 1, SHAPES(MAT)),
    BAD(nll, labels_below, 1, SHAPES(MAT)),
    BAD(logit_grad_label, grad_beyond, 2, SHAPES(MAT, LIST)),
    BAD(segment_sum, offsets_falling, 1, SHAPES(LIST)),
    BAD(segment_mean, offsets_beyond, 1, SHAPES(LIST)),
    BAD(rope, positions_beyond, 3, SHAPES(Q, M(97, 6), M(97, 6))),
    BAD(attention_scores, segments_beyond, 2, SHAPES(Q, K)),
    BAD(attention_mix, mix_beyond, 2, SHAPES(SCORES, K)),
};
const size_t op_bad_index_count = sizeof op_bad_index / sizeof *op_bad_index;
