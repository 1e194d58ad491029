/* SPDX-License-Identifier: MIT */
/* The softmax of attention and its derivative: softmax.c and softmax_grad.c compute each row, over the keys that its
 * query sees. A block is one head of one segment; the blocks are independent of each other. */
#include <string.h>
#include "tensor/base/team.h"
#include "tensor/ops/attention.h"
#include "tensor/ops/softmax.h"

enum { GRAIN = 4096 };                   // the smallest part of the work, in scores

static size_t most_keys(const Call *c)
{
    size_t n = 0;
    for (size_t k = 3; k < c->attrs->index_count; k += 4)
        if ((size_t)c->attrs->index[k] > n)
            n = (size_t)c->attrs->index[k];
    return n;
}

static bool scores_shape(const Call *c, Shape *out, Error *e)
{
    size_t scores;
    char text[64];
    if (!attention_check(c, &scores, e))
        return false;
    if (most_keys(c) > SOFTMAX_MAX)
        return error_set(e, "%s: a segment of %zu keys, expected at most 2^24", c->op->name, most_keys(c));
    for (size_t k = 0; k < c->n_in; k++) {
        Shape s = call_value(c, k)->shape;
        if (call_value(c, k)->dtype != F32 || s.rank != 1 || s.dim[0] != scores)
            return error_set(e, "%s: shape %s of %s, expected F32 [%zu], the scores of all segments and heads", c->op->name,
                             shape_text(s, text), dtype_name(call_value(c, k)->dtype), scores);
    }
    *out = shape_of(1, scores);
    return true;
}

/* Computes the block whose scores begin at the flat index `at`. Returns the flat index of the first score that no tier
 * decided, or SIZE_MAX. */
static size_t softmax_block(const Call *c, const Segment *s, size_t at, double *scratch)
{
    const float *x = call_value(c, 0)->f32;
    for (size_t i = 0; i < s->q_count; i++, at += s->k_count) {
        size_t n = attention_allowed(c->attrs, s, i), open = n ? softmax_row(x + at, n, scratch, c->out.f32 + at) : 0;
        memset(c->out.f32 + at + n, 0, (s->k_count - n) * sizeof(float));
        if (open < n)
            return at + open;
    }
    return SIZE_MAX;
}

/* Leaves an error that names the score with the flat index `at`, and its row. */
static void undecided_report(const Call *c, const Segment *s, size_t at)
{
    while (s[1].scores <= at)
        s++;
    size_t column = (at - s->scores) % s->k_count, row = (at - s->scores) / s->k_count;
    softmax_undecided(c, call_value(c, 0)->f32 + at - column, attention_allowed(c->attrs, s, row % s->q_count), row, column);
}

typedef struct { const Call *c; const Segment *segments; const SoftmaxScratch *scratch; _Atomic size_t *undecided; } Blocks;

static size_t block_count(const Call *c) { return c->attrs->index_count / 4 * (size_t)c->attrs->n[ATTENTION_HEADS]; }

static size_t block_at(const Blocks *b, size_t block, const Segment **segment)
{
    size_t heads = (size_t)b->c->attrs->n[ATTENTION_HEADS];
    const Segment *s = *segment = b->segments + block / heads;
    return s->scores + block % heads * s->q_count * s->k_count;
}

/* How many blocks make a part of the work, if every block has the average number of scores. */
static size_t block_grain(const Call *c)
{
    return team_grain(GRAIN, block_count(c) ? shape_size(c->out.shape) / block_count(c) : 0);
}

static void softmax_part(const void *data, size_t begin, size_t end, size_t worker)
{
    const Blocks *b = data;
    const Segment *s;
    for (size_t k = begin; k < end; k++) {
        size_t at = block_at(b, k, &s);
        team_least(b->undecided, softmax_block(b->c, s, at, softmax_scratch_of(b->scratch, worker)));
    }
}

static void softmax_kernel(const Call *c)
{
    _Atomic size_t undecided = SIZE_MAX;
    SoftmaxScratch scratch = softmax_scratch(c, most_keys(c));
    Segment *s = attention_segments(c);
    if (!scratch.all || !s)
        return;
    team_run(block_count(c), block_grain(c), softmax_part, &(Blocks){ c, s, &scratch, &undecided }, c->error);
    if (undecided != SIZE_MAX)
        undecided_report(c, s, undecided);
    softmax_scratch_release(c, &scratch);
}

static void grad_part(const void *data, size_t begin, size_t end, size_t worker)
{
    const Blocks *b = data;
    const Call *c = b->c;
    const float *p = call_value(c, 0)->f32, *dp = call_value(c, 1)->f32;
    const Segment *s;
    (void)worker;
    for (size_t k = begin; k < end; k++) {
        size_t at = block_at(b, k, &s);
        for (size_t i = 0; i < s->q_count; i++, at += s->k_count) {
            size_t n = attention_allowed(c->attrs, s, i);
            softmax_grad_row(p + at, dp + at, n, c->out.f32 + at);
            memset(c->out.f32 + at + n, 0, (s->k_count - n) * sizeof(float));
        }
    }
}

static void grad_kernel(const Call *c)
{
    ArenaMark mark = arena_mark(c->scratch);
    Segment *s = attention_segments(c);
    if (!s)
        return;
    team_run(block_count(c), block_grain(c), grad_part, &(Blocks){ c, s, NULL, NULL }, c->error);
    arena_release(c->scratch, mark);
}

static Attention attention_of(const Attrs *a)
{
    return (Attention){ a->index, a->index_count / 4, (size_t)a->n[ATTENTION_HEADS], (size_t)a->n[ATTENTION_KV_HEADS],
                        (size_t)a->n[ATTENTION_HEAD_DIM], a->n[ATTENTION_CAUSAL] != 0 };
}

static void attention_softmax_vjp(Tape *t, Node *y, Node *dy)
{
    tape_contribute(t, y->in[0], op_attention_softmax_grad(t, y, dy, attention_of(&y->attrs)));
}

const Op op_record_attention_softmax = {
    .name = "attention_softmax",
    .shapes = "[E] -> [E], E = sum over segments of heads*q_count*k_count",
    .formula = "p_ij = RN(e^s_ij / sum e^s_ik) over the keys k that query i sees, +0 for the others; specials as softmax",
    .kind = CLASS_D, .inputs = "s", .ints = { ATTENTION_INTS }, .index = ATTENTION_INDEX,
    .shape = scores_shape, .kernel = softmax_kernel, .bound = attention_softmax_bound, .vjp = attention_softmax_vjp,
};

const Op op_record_attention_softmax_grad = {
    .name = "attention_softmax_grad",
    .shapes = "[E], [E] -> [E], E = sum over segments of heads*q_count*k_count",
    .formula = "ds_ij = RN(p_ij (dp_ij - sum dp_ik p_ik)) over the keys k that query i sees, +0 for the others; a zero is +0",
    .kind = CLASS_A, .inputs = "p dp", .ints = { ATTENTION_INTS }, .index = ATTENTION_INDEX,
    .shape = scores_shape, .kernel = grad_kernel, .bound = attention_softmax_grad_bound,
};

Node *op_attention_softmax(Tape *t, Node *s, Attention a)
{
    Attrs attrs = attention_attrs(t, a);
    return tape_push(t, &op_record_attention_softmax, 1, &s, &attrs);
}

Node *op_attention_softmax_grad(Tape *t, Node *p, Node *dp, Attention a)
{
    Node *in[] = { p, dp };
    Attrs attrs = attention_attrs(t, a);
    return tape_push(t, &op_record_attention_softmax_grad, 2, in, &attrs);
}
