/* SPDX-License-Identifier: MIT */
/* How far fp32 may be off in attention (bound_rule.h): in its three products, and in the softmax of the scores. Only
 * the keys that a query sees add terms to a bound. The number n of terms of a sum counts the other keys, too, which
 * makes the bound only larger. */
#include "tensor/ops/attention.h"
#include "tensor/ops/softmax.h"
#include "tensor/bound_rule.h"

/* A query that sees `seen` keys, in a segment of `queries` queries and `keys` keys. A head has `width` channels, and
 * `group` query heads share a key head. Three indices: `score` is that of the query's first score; q_first is that of
 * the query's first channel, in the tensor with a row for each query (q; the result of mix; x of mix_t); k_first is
 * that of the first key's first channel, in the tensor with a row for each key (k; v; the result of mix_t). The next
 * key is k_step further. */
typedef struct { size_t score, q_first, k_first, k_step, seen, width, group, queries, keys; } Query;

static void each_query(BoundRule *r, void (*f)(BoundRule *r, const Query *q))
{
    const Attrs *a = r->call->attrs;
    const Segment *s = attention_segments(r->call);
    size_t heads = (size_t)a->n[ATTENTION_HEADS], kv = (size_t)a->n[ATTENTION_KV_HEADS],
        width = (size_t)a->n[ATTENTION_HEAD_DIM];
    for (size_t g = 0; s && g < a->index_count / 4; g++)
        for (size_t h = 0; h < heads; h++)
            for (size_t i = 0; i < s[g].q_count; i++)
                f(r, &(Query){ s[g].scores + (h * s[g].q_count + i) * s[g].k_count, ((s[g].q_begin + i) * heads + h) * width,
                               (s[g].k_begin * kv + h / (heads / kv)) * width, kv * width, attention_allowed(a, &s[g], i), width,
                               heads / kv, s[g].q_count, s[g].k_count });
}

/* Adds what the product x[0][a] x[1][b] contributes to out[to], the bound of a sum of n products (bound_term). */
static void add_term(BoundRule *r, size_t a, size_t b, size_t to, size_t n)
{
    r->out[to] += bound_term((double)r->x[0][a], (double)r->x[1][b], (double)r->b[0][a], (double)r->b[1][b], (double)n);
}

/* Three operators (op_attention.c): attention_scores, q k^T, adds up products over the channels c; attention_mix, p v,
 * over the keys j; attention_mix_t, p^T x, over the queries and over the query heads that share a key head. */
static void scores_terms(BoundRule *r, const Query *q)
{
    for (size_t j = 0; j < q->seen; j++)
        for (size_t c = 0; c < q->width; c++)
            add_term(r, q->q_first + c, q->k_first + j * q->k_step + c, q->score + j, q->width);
}

static void mix_terms(BoundRule *r, const Query *q)
{
    for (size_t j = 0; j < q->seen; j++)
        for (size_t c = 0; c < q->width; c++)
            add_term(r, q->score + j, q->k_first + j * q->k_step + c, q->q_first + c, q->keys);
}

static void mix_t_terms(BoundRule *r, const Query *q)
{
    for (size_t j = 0; j < q->seen; j++)
        for (size_t c = 0; c < q->width; c++)
            add_term(r, q->score + j, q->q_first + c, q->k_first + j * q->k_step + c, q->queries * q->group);
}

static void softmax_of(BoundRule *r, const Query *q)
{
    if (q->seen)
        softmax_bound(r->x[0] + q->score, r->b[0] + q->score, r->y + q->score, q->seen, r->out + q->score);
}

static void softmax_grad_of(BoundRule *r, const Query *q)
{
    softmax_grad_bound((const float *const[]){ r->x[0] + q->score, r->x[1] + q->score },
                       (const float *const[]){ r->b[0] + q->score, r->b[1] + q->score }, q->seen, r->out + q->score);
}

void attention_scores_bound(BoundRule *r)       { each_query(r, scores_terms); }
void attention_mix_bound(BoundRule *r)          { each_query(r, mix_terms); }
void attention_mix_t_bound(BoundRule *r)        { each_query(r, mix_t_terms); }
void attention_softmax_bound(BoundRule *r)      { each_query(r, softmax_of); }
void attention_softmax_grad_bound(BoundRule *r) { each_query(r, softmax_grad_of); }
