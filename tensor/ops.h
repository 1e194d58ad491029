/* SPDX-License-Identifier: MIT */
/* The operators as functions: each runs at once, records itself on the tape and returns its node.
 *
 * A function that fails, and every function after a failure, returns NULL; the tape's Error holds the sentence. No
 * input may be NULL unless its comment says so. Index data is copied. The tape owns the nodes; one tape belongs to
 * one thread at a time.
 * Shapes: [N, C] is N rows of C channels; a vector [C] counts as one row; [] is a scalar; […] is any shape. All
 * inputs are F32, except those that may also be F16 or BF16, as their comments say. Every result is RN(formula),
 * the float nearest to the formula's value, element by element. Formulas, bounds and derivatives are in op_*.c, and
 * `pulse-ref list ops` prints the formulas.
 * The enum before a function names the operator's attributes. The comment beside the enum says which array of Attrs
 * (op.h) holds them: f, d or n. */
#ifndef PULSE_TENSOR_OPS_H
#define PULSE_TENSOR_OPS_H

#include "tensor/tape.h"

/* --- op_move.c, op_rows.c: numbers are moved, nothing is rounded. Only scatter_rows, and sum_n of op_columns.c, add;
 * they are of class A (op.h) --- */
enum { RESHAPE_RANK, RESHAPE_DIM };                                    // n; dim k is at RESHAPE_DIM + k
Node *op_reshape(Tape *t, Node *x, Shape s);                            // […] -> s, of as many elements
Node *op_transpose(Tape *t, Node *x);                                   // [N, C] -> [C, N]
Node *op_concat_rows(Tape *t, size_t n, Node *const x[]);               // [N1, C], [N2, C], … -> [N1+N2+…, C]
enum { SLICE_BEGIN, SLICE_COUNT };                                      // n
Node *op_slice_rows(Tape *t, Node *x, size_t begin, size_t count);      // [N, C] -> [count, C], begin + count <= N
// [V, C], n ids below V -> [n, C]: the embedding; table F16 or BF16 too
Node *op_gather_rows(Tape *t, Node *table, const int32_t *ids, size_t n);
enum { SCATTER_ROWS };                                                  // n
// [n, C] -> [rows, C]: row v is RN(sum of the rows of dy whose id is v)
Node *op_scatter_rows(Tape *t, Node *dy, const int32_t *ids, size_t n, size_t rows);
enum { BROADCAST_ROWS };                                                // n
Node *op_broadcast_rows(Tape *t, Node *row, size_t n);                  // [C] -> [n, C]
enum { PATCHES_P };                                                     // n
// [B, K, H, W] -> [B*(H/p)*(W/p), K*p*p]: B pictures with K planes of H x W pixels are cut into squares of p x p; each
// square becomes a row, in the order of a convolution's kernel
Node *op_patches(Tape *t, Node *pixels, size_t patch);
// […] -> […]: x where keep is not 0, else +0; n flags, one for each element or for each row
Node *op_mask(Tape *t, Node *x, const int32_t *keep, size_t n);
// [N, V] -> [N]: the index of each row's largest number, as a float; of equal numbers the lowest index
Node *op_argmax(Tape *t, Node *x);
Node *op_sum_n(Tape *t, size_t n, Node *const x[]); // n tensors […] -> […]: RN(x1 + x2 + …), the fan-in of gradients

/* --- op_pointwise.c, op_scalar.c: element by element, one rounding; inputs and result have one shape […], unless a
 * comment says otherwise --- */
Node *op_add(Tape *t, Node *a, Node *b);
Node *op_sub(Tape *t, Node *a, Node *b);
Node *op_mul(Tape *t, Node *a, Node *b);
enum { SCALE_S };                                                       // f
Node *op_scale(Tape *t, Node *x, float s);                              // RN(s x)
enum { AXPY_S };                                                        // f
Node *op_axpy(Tape *t, Node *base, Node *x, float s);                   // RN(base + s x): LoRA
enum { RATIO_NUM, RATIO_DEN };                                          // f
Node *op_ratio(Tape *t, Node *x, float num, float den);                 // RN(num x / den)
Node *op_mul_rows(Tape *t, Node *x, Node *w); // [N, C], [C] -> [N, C]: RN(x_rc w_c); w F16 or BF16 too
// [N, C], [C], [C] -> [N, C]: RN(x_rc g_c + b_c); g, b F16 or BF16 too
Node *op_affine_rows(Tape *t, Node *x, Node *g, Node *b);
Node *op_gelu(Tape *t, Node *x);                                        // x Phi(x), erf form
Node *op_quick_gelu(Tape *t, Node *x);                                  // x sigmoid(1.702 x)
Node *op_silu(Tape *t, Node *x);
Node *op_gelu_grad(Tape *t, Node *x);                                   // f'(x), one rounding
Node *op_quick_gelu_grad(Tape *t, Node *x);
Node *op_silu_grad(Tape *t, Node *x);
Node *op_sigmoid(Tape *t, Node *x);
Node *op_log_sigmoid(Tape *t, Node *x);
Node *op_exp(Tape *t, Node *x);
Node *op_log(Tape *t, Node *x);
Node *op_sqrt(Tape *t, Node *x);
Node *op_rsqrt(Tape *t, Node *x);

/* --- op_reduce.c, op_columns.c: sums, with one rounding of the exact sum --- */
Node *op_sum(Tape *t, Node *x);                                         // […] -> []: RN(sum of all elements)
enum { MEAN_N };                                                        // n
Node *op_mean(Tape *t, Node *x);                                        // […] -> []: RN(sum x / number of elements)
Node *op_mean_over(Tape *t, Node *x, size_t n);                         // […] -> []: RN(sum x / n), n < 2^48
Node *op_column_sum(Tape *t, Node *x);                                  // [N, C] -> [C]: bias gradient
Node *op_column_dot(Tape *t, Node *a, Node *b); // [N, C], [N, C] -> [C]: RN(sum_r a_rc b_rc), the gradient of a gain
// [R] -> [n]; segment i is the elements offsets[i] … offsets[i+1] - 1 (n+1 offsets)
Node *op_segment_sum(Tape *t, Node *x, const int32_t *offsets, size_t n);
Node *op_segment_mean(Tape *t, Node *x, const int32_t *offsets, size_t n);
Node *op_square_norm(Tape *t, size_t n, Node *const x[]);               // n tensors […] -> []: RN(sqrt(sum of all x^2))
Node *op_square_sum(Tape *t, Node *x);                                  // […] -> []: RN(sum x^2)

/* --- op_linear.c: products; all inputs may also be F16 or BF16 --- */
Node *op_linear(Tape *t, Node *x, Node *w, Node *bias);                 // [N, K], [M, K], [M] or NULL -> [N, M]
enum { MATMUL_TRANSPOSE_A, MATMUL_TRANSPOSE_B };                        // n
// [N, K] or, to be transposed, [K, N]; [K, M] or, to be transposed, [M, K] -> [N, M]
Node *op_matmul(Tape *t, Node *a, bool transpose_a, Node *b, bool transpose_b);
enum { LORA_MERGE_S };                                                  // f
Node *op_lora_merge(Tape *t, Node *w, Node *b, Node *a, float s);       // RN(W + s sum_r B A): [M, K], [M, r], [r, K]

/* --- op_attention.c. A segment is the rows of one sample, as four numbers {q_begin, q_count, k_begin, k_count}.
 * Scores are one flat vector: segment by segment, and head by head, a row-major matrix [q_count, k_count]. Query
 * head h reads key head h / (heads / kv_heads). With D = head_dim, queries are [Nq, heads*D], and keys and values are
 * [Nk, kv_heads*D].
 * Under a causal mask, query i of a segment sees the keys j <= i + k_count - q_count; the scores of all other keys
 * are +0. --- */
typedef struct {
    const int32_t *segments;
    size_t count;
    size_t heads, kv_heads, head_dim;
    bool   causal;
} Attention;
// n; only mix and mix_t have ATTENTION_ROWS, the number of rows of the result
enum { ATTENTION_HEADS, ATTENTION_KV_HEADS, ATTENTION_HEAD_DIM, ATTENTION_CAUSAL, ATTENTION_ROWS };
Node *op_attention_scores(Tape *t, Node *q, Node *k, Attention a);      // s_ij = RN(sum_c q_ic k_jc)
Node *op_attention_mix(Tape *t, Node *p, Node *v, Attention a);         // o_i = RN(sum_j p_ij v_j) -> [Nq, heads*D]
// y_j = RN(sum over i and the group's heads p_ij x_i) -> [Nk, kv_heads*D]
Node *op_attention_mix_t(Tape *t, Node *p, Node *x, Attention a);
Node *op_attention_softmax(Tape *t, Node *s, Attention a);              // over the keys j that query i sees
Node *op_attention_softmax_grad(Tape *t, Node *p, Node *dp, Attention a); // RN(p_ij (dp_ij - sum_k dp_ik p_ik))
enum { ROPE_HEADS };                                                    // n
// the rotary embedding of [N, heads*D]: channel c of a head is rotated with channel c + D/2, as in Hugging Face's
// rotate_half; the tables are [P, D/2] for P positions, and positions[r] is the position of row r
Node *op_rope(Tape *t, Node *x, Node *cos_table, Node *sin_table, const int32_t *positions, size_t heads);
// the derivative: the inverse rotation
Node *op_rope_back(Tape *t, Node *dy, Node *cos_table, Node *sin_table, const int32_t *positions, size_t heads);

/* --- op_norm.c: rows [N, C] -> [N, C]; dn, the gradient of the result n, has the shape of x --- */
enum { NORM_EPS };                                                      // f
Node *op_layernorm(Tape *t, Node *x, float eps);                        // n = (x - mean)/sqrt(var + eps)
Node *op_layernorm_dx(Tape *t, Node *x, Node *dn, float eps);
Node *op_rmsnorm(Tape *t, Node *x, float eps);                          // n = x / sqrt(mean x^2 + eps)
Node *op_rmsnorm_dx(Tape *t, Node *x, Node *dn, float eps);

/* --- op_softmax.c, op_loss.c: logits z, their softmax p, its gradient dp, target probabilities q and log-probabilities
 * l are [R, V], and so are the results unless a comment says otherwise; one label a row --- */
Node *op_softmax(Tape *t, Node *z);
Node *op_softmax_grad(Tape *t, Node *p, Node *dp);                      // row-wise, as attention's
Node *op_log_softmax(Tape *t, Node *z);
Node *op_nll(Tape *t, Node *z, const int32_t *labels);                  // [R]; label -1: not supervised, +0
Node *op_logit_grad(Tape *t, Node *p, Node *q, Node *c);                // RN(c_r p_rv - c_r q_rv); c is [R]
Node *op_logit_grad_label(Tape *t, Node *p, Node *c, const int32_t *labels); // q: 1 at the label, else 0; label -1: +0
// [R]: RN(sum_v pr_v (lr_v - l_v)), where pr and lr are p and log p of the reference model, and l is log p
Node *op_kl(Tape *t, Node *pr, Node *lr, Node *l);

/* --- op_step.c, op_adam.c: the optimiser; parameters p, Adam's moments m and v, gradients g, SGD's momentum b and the
 * result have one shape […] --- */
enum { CLIP_FACTOR_MAX_NORM };                                          // f
// [] -> []: RN(max_norm / (norm + 1e-6)) if this is < 1, else 1
Node *op_clip_factor(Tape *t, Node *norm, float max_norm);
Node *op_scale_by(Tape *t, Node *x, Node *s);                           // […], [] -> […]: RN(s x)
enum { ADAM_M_BETA1 };                                                  // f
Node *op_adam_m(Tape *t, Node *m, Node *g, float beta1);                // RN(b1 m + (1-b1) g)
enum { ADAM_V_BETA2 };                                                  // f
Node *op_adam_v(Tape *t, Node *v, Node *g, float beta2);                // RN(b2 v + (1-b2) g^2)
enum { ADAM_LR, ADAM_EPS, ADAM_DECAY };                                 // f of adamw; adam has no decay
enum { ADAM_C1, ADAM_C2 };                                              // d
Node *op_adamw(Tape *t, Node *p, Node *m, Node *v, float lr, float eps, float decay, double c1, double c2);
// without decoupled decay; Adam's coupled decay (L2) is added to g before m and v are computed
Node *op_adam(Tape *t, Node *p, Node *m, Node *v, float lr, float eps, double c1, double c2);
enum { SGD_LR, SGD_DECAY };                                             // f
Node *op_sgd(Tape *t, Node *p, Node *g, float lr, float decay);         // RN(p - lr (g + decay p))
enum { MOMENTUM_MOMENTUM };                                             // f
Node *op_momentum(Tape *t, Node *b, Node *g, float momentum);           // RN(momentum b + g)

#endif
