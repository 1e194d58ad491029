/* SPDX-License-Identifier: MIT */
/* The products of attention, for each sample (a segment) and each head. The derivative of each is made of the others.
 *
 *     attention_scores   s[h,i,j] = RN(sum_c q[i,h,c] k[j,g,c])       g = h / (heads / kv_heads)
 *     attention_mix      o[i,h,c] = RN(sum_j p[h,i,j] v[j,g,c])
 *     attention_mix_t    y[j,g,c] = RN(sum of p[h,i,j] x[i,h,c] over the queries i and the heads h that read g)
 *
 * Here i is a query, j a key, h a head of the queries, g a head of the keys, and c a channel. Under a causal mask,
 * query i sees the keys j <= i + k_count - q_count. The sums of mix run over the keys that i sees, and those of mix_t
 * over the queries that see j. The scores of keys that a query does not see are +0. The operators are of class A:
 * the floats are widened, the built-in kernel sums, the rounding test decides, and Exact decides the rest
 * (attention_task.c). One thread computes one head of one segment. */
#include <string.h>
#include "tensor/base/team.h"
#include "tensor/ops/attention_task.h"
#include "tensor/product/rounding.h"
#include "tensor/ops.h"

enum { GRAIN = 1 << 16 };               // the smallest part of the work, in multiplications

extern const Op op_record_attention_scores, op_record_attention_mix, op_record_attention_mix_t;

/* --- Shapes --- */

static bool is_rows(const Tensor *x, int64_t heads, int64_t dim)
{
    return x->dtype == F32 && x->shape.rank == 2 && dim > 0 && x->shape.dim[1] % (size_t)dim == 0
           && x->shape.dim[1] / (size_t)dim == (size_t)heads;
}

static bool is_scores(const Tensor *x, size_t scores)
{
    return x->dtype == F32 && x->shape.rank == 1 && x->shape.dim[0] == scores;
}

static bool refuse(const Call *c, const char *expected, Error *e)
{
    char a[64], b[64];
    const int64_t *n = c->attrs->n;
    return error_set(e, "%s: inputs are %s and %s with %lld heads over %lld key heads of size %lld, expected %s in F32",
                     c->op->name, shape_text(call_value(c, 0)->shape, a), shape_text(call_value(c, 1)->shape, b),
                     (long long)n[ATTENTION_HEADS], (long long)n[ATTENTION_KV_HEADS], (long long)n[ATTENTION_HEAD_DIM], expected);
}

/* Checks that the ranges {begin, count} at index[side], index[side + 4], … lie inside `rows`; side 0 holds the ranges
 * of queries, side 2 those of keys. If results are written, the ranges must also ascend without overlap. */
static bool ranges_fit(const Call *c, int side, size_t rows, bool written, Error *e)
{
    int64_t end = 0;
    for (size_t k = 0; k < c->attrs->index_count / 4; k++) {
        const int32_t *s = c->attrs->index + 4 * k + side;
        bool inside = (int64_t)s[0] + s[1] <= (int64_t)rows, apart = !written || s[0] >= end || s[1] == 0;
        if (!inside || !apart)
            return error_set(e, "%s: segment %zu has %d %s from row %d on, expected rows %s", c->op->name, k, s[1],
                             side ? "keys" : "queries", s[0], inside ? "after those of earlier segments" : "inside the input");
        end = s[1] ? (int64_t)s[0] + s[1] : end;
    }
    return true;
}

static bool scores_shape(const Call *c, Shape *out, Error *e)
{
    size_t scores;
    const int64_t *n = c->attrs->n;
    if (!attention_check(c, &scores, e))
        return false;
    if (!is_rows(call_value(c, 0), n[ATTENTION_HEADS], n[ATTENTION_HEAD_DIM])
        || !is_rows(call_value(c, 1), n[ATTENTION_KV_HEADS], n[ATTENTION_HEAD_DIM]))
        return refuse(c, "queries [Nq, heads*D] and keys [Nk, kv_heads*D]", e);
    *out = shape_of(1, scores);
    return ranges_fit(c, 0, call_value(c, 0)->shape.dim[0], false, e) && ranges_fit(c, 2, call_value(c, 1)->shape.dim[0], false, e);
}

static bool mix_shape(const Call *c, Shape *out, Error *e)
{
    size_t scores;
    const int64_t *n = c->attrs->n;
    if (!attention_check(c, &scores, e))
        return false;
    if (!is_scores(call_value(c, 0), scores) || !is_rows(call_value(c, 1), n[ATTENTION_KV_HEADS], n[ATTENTION_HEAD_DIM]))
        return refuse(c, "the scores of all segments and heads, and values [Nk, kv_heads*D]", e);
    *out = shape_of(2, (size_t)n[ATTENTION_ROWS], (size_t)(n[ATTENTION_HEADS] * n[ATTENTION_HEAD_DIM]));
    return ranges_fit(c, 0, (size_t)n[ATTENTION_ROWS], true, e) && ranges_fit(c, 2, call_value(c, 1)->shape.dim[0], false, e);
}

static bool mix_t_shape(const Call *c, Shape *out, Error *e)
{
    size_t scores;
    const int64_t *n = c->attrs->n;
    if (!attention_check(c, &scores, e))
        return false;
    if (!is_scores(call_value(c, 0), scores) || !is_rows(call_value(c, 1), n[ATTENTION_HEADS], n[ATTENTION_HEAD_DIM]))
        return refuse(c, "the scores of all segments and heads, and rows [Nq, heads*D]", e);
    *out = shape_of(2, (size_t)n[ATTENTION_ROWS], (size_t)(n[ATTENTION_KV_HEADS] * n[ATTENTION_HEAD_DIM]));
    return ranges_fit(c, 0, call_value(c, 1)->shape.dim[0], false, e) && ranges_fit(c, 2, (size_t)n[ATTENTION_ROWS], true, e);
}

/* --- Kernels: all heads of all segments --- */

typedef size_t (*Work)(const Task *t);

typedef struct {
    const Call *c;
    const Segment *segments;
    size_t heads;
    bool   scores_out;
    Work   work;
    double *scratch;                    // scratch_size doubles for each worker
    size_t scratch_size;
    _Atomic size_t *left;               // counts the results that Exact decides
} Heads;

static void heads_part(const void *data, size_t begin, size_t end, size_t worker)
{
    const Heads *h = data;
    const Call *c = h->c;
    for (size_t k = begin; k < end; k++) {
        const Segment *s = h->segments + k / h->heads;
        Task t = { c->attrs, *s, k % h->heads, call_value(c, 0)->f32 + (h->scores_out ? 0 : s->scores), call_value(c, 1)->f32,
                   c->out.f32 + (h->scores_out ? s->scores : 0), h->scratch + worker * h->scratch_size, k == 0 ? c->error : NULL };
        *h->left += h->work(&t);
    }
}

/* Runs `work` for every head of every segment. `heads` counts the heads of the queries or, for mix_t, of the keys. If
 * scores_out is set, the scores are the result; otherwise they are the first input. */
static void run(const Call *c, size_t heads, bool scores_out, Work work)
{
    Arena *arena = c->scratch;
    ArenaMark mark = arena_mark(arena);
    size_t scratch_size = attention_scratch_size(c->attrs) + 8, segments = c->attrs->index_count / 4, tasks = segments * heads;
    _Atomic size_t left = 0;
    const Segment *s = attention_segments(c);
    double *scratch = arena_array(arena, team_size() * scratch_size, sizeof *scratch);
    if (s && scratch) {
        const Heads all = { c, s, heads, scores_out, work, scratch, scratch_size, &left };
        size_t multiplications = tasks ? s[segments].scores / tasks * (size_t)c->attrs->n[ATTENTION_HEAD_DIM] : 0;
        team_run(tasks, team_grain(GRAIN, multiplications), heads_part, &all, c->error);
        product_count(shape_size(c->out.shape), left);
    }
    arena_release(arena, mark);
}

/* Sets the result to +0 if some of its rows belong to no segment; `side` is that of ranges_fit. */
static void clear_unowned(const Call *c, int side)
{
    size_t owned = 0;
    for (size_t k = 0; k < c->attrs->index_count; k += 4)
        owned += (size_t)c->attrs->index[k + (size_t)side + 1];
    if (owned < c->out.shape.dim[0])
        memset(c->out.f32, 0, tensor_bytes(c->out));
}

static void scores_kernel(const Call *c) { run(c, (size_t)c->attrs->n[ATTENTION_HEADS], true, scores_task); }

static void mix_kernel(const Call *c)
{
    clear_unowned(c, 0);
    run(c, (size_t)c->attrs->n[ATTENTION_HEADS], false, mix_task);
}

static void mix_t_kernel(const Call *c)
{
    clear_unowned(c, 2);
    run(c, (size_t)c->attrs->n[ATTENTION_KV_HEADS], false, mix_t_task);
}

/* --- Derivatives --- */

static Node *push(Tape *t, const Op *op, Node *a, Node *b, const Attrs *like, size_t rows)
{
    Attrs attrs = *like;
    attrs.n[ATTENTION_ROWS] = (int64_t)rows;
    return tape_push(t, op, 2, (Node *[]){ a, b }, &attrs);
}

static size_t rows_of(const Node *n) { return n->out.shape.dim[0]; }

static void scores_vjp(Tape *t, Node *y, Node *dy)
{
    Node *q = y->in[0], *k = y->in[1];
    if (q->wants_grad)
        tape_contribute(t, q, push(t, &op_record_attention_mix, dy, k, &y->attrs, rows_of(q)));
    if (k->wants_grad)
        tape_contribute(t, k, push(t, &op_record_attention_mix_t, dy, q, &y->attrs, rows_of(k)));
}

static void mix_vjp(Tape *t, Node *y, Node *dy)
{
    Node *p = y->in[0], *v = y->in[1];
    if (p->wants_grad)
        tape_contribute(t, p, push(t, &op_record_attention_scores, dy, v, &y->attrs, 0));
    if (v->wants_grad)
        tape_contribute(t, v, push(t, &op_record_attention_mix_t, p, dy, &y->attrs, rows_of(v)));
}

static void mix_t_vjp(Tape *t, Node *y, Node *dy)
{
    Node *p = y->in[0], *x = y->in[1];
    if (p->wants_grad)
        tape_contribute(t, p, push(t, &op_record_attention_scores, x, dy, &y->attrs, 0));
    if (x->wants_grad)
        tape_contribute(t, x, push(t, &op_record_attention_mix, p, dy, &y->attrs, rows_of(x)));
}

const Op op_record_attention_scores = {
    .name = "attention_scores", .kind = CLASS_A, .inputs = "q k", .ints = { ATTENTION_INTS }, .index = ATTENTION_INDEX,
    .shapes = "[Q, heads*head_dim], [K, kv_heads*head_dim] -> [E], E = sum over segments of heads*q_count*k_count",
    .formula = "s[h,i,j] = RN(sum_c q[i,h,c] k[j,h/group,c]), group = heads/kv_heads; one vector, segment by segment, head by "
               "head, [q_count, k_count]; "
               "causal: query i sees the keys j <= i + k_count - q_count of its segment, +0 for the others; a zero is +0",
    .shape = scores_shape, .kernel = scores_kernel, .bound = attention_scores_bound, .vjp = scores_vjp,
};

const Op op_record_attention_mix = {
    .name = "attention_mix", .kind = CLASS_A, .inputs = "p v", .ints = { ATTENTION_INTS, [ATTENTION_ROWS] = "rows" },
    .shapes = "[E], [K, kv_heads*head_dim] -> [rows, heads*head_dim], E as of attention_scores",
    .index = ATTENTION_INDEX,
    .formula = "o[i,h,c] = RN(sum_j p[h,i,j] v[j,h/group,c]) over the keys j that query i sees, p laid out as attention_scores "
               "writes; a zero, and a row of no segment, is +0",
    .shape = mix_shape, .kernel = mix_kernel, .bound = attention_mix_bound, .vjp = mix_vjp,
};

const Op op_record_attention_mix_t = {
    .name = "attention_mix_t", .kind = CLASS_A, .inputs = "p x", .ints = { ATTENTION_INTS, [ATTENTION_ROWS] = "rows" },
    .shapes = "[E], [Q, heads*head_dim] -> [rows, kv_heads*head_dim], E as of attention_scores",
    .index = ATTENTION_INDEX,
    .formula = "y[j,g,c] = RN(sum of p[h,i,j] x[i,h,c] over the heads h of group g and the queries i that see key j), p laid out "
               "as attention_scores writes; a zero, and a row of no segment, is +0",
    .shape = mix_t_shape, .kernel = mix_t_kernel, .bound = attention_mix_t_bound, .vjp = mix_t_vjp,
};

/* The number of rows of the result, whose last row is the last one that belongs to a segment; `side` is that of
 * ranges_fit. */
static size_t rows_owned(Attention a, int side)
{
    int64_t rows = 0;
    for (size_t k = 0; k < a.count; k++) {
        int64_t end = (int64_t)a.segments[4 * k + (size_t)side] + a.segments[4 * k + (size_t)side + 1];
        rows = end > rows ? end : rows;
    }
    return (size_t)rows;
}

Node *op_attention_scores(Tape *t, Node *q, Node *k, Attention a)
{
    Attrs like = attention_attrs(t, a);
    return push(t, &op_record_attention_scores, q, k, &like, 0);
}

Node *op_attention_mix(Tape *t, Node *p, Node *v, Attention a)
{
    Attrs like = attention_attrs(t, a);
    return push(t, &op_record_attention_mix, p, v, &like, rows_owned(a, 0));
}

Node *op_attention_mix_t(Tape *t, Node *p, Node *x, Attention a)
{
    Attrs like = attention_attrs(t, a);
    return push(t, &op_record_attention_mix_t, p, x, &like, rows_owned(a, 2));
}
