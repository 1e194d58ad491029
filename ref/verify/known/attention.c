/* SPDX-License-Identifier: MIT */
#include "ref/verify/known/attention.h"

#include <math.h>
#include <string.h>
#include "tensor/ops/attention.h"

/* Which mistake an operator makes. */
typedef enum { TILED, BOTH_WAYS } Kind;

static size_t heads_of(const Call *c) { return (size_t)c->attrs->n[ATTENTION_HEADS]; }
static size_t dim_of(const Call *c) { return (size_t)c->attrs->n[ATTENTION_HEAD_DIM]; }
static size_t kv_heads_of(const Call *c) { return (size_t)c->attrs->n[ATTENTION_KV_HEADS]; }

static size_t key_head(const Call *c, size_t h, Kind kind)
{
    return kind == TILED ? h % kv_heads_of(c) : h / (heads_of(c) / kv_heads_of(c));
}

static bool sees(const Call *c, const Segment *s, size_t i, size_t j, Kind kind)
{
    const int32_t *picture = c->attrs->index + c->attrs->index_count;        // there only for BOTH_WAYS (attention.h)
    return j < attention_allowed(c->attrs, s, i) || (kind == BOTH_WAYS && picture[s->q_begin + i] && picture[s->k_begin + j]);
}

/* One score: its head, its query and key in the segment, and its offset among all scores. */
typedef struct { const Segment *s; size_t head, i, j, at; } Score;
typedef void Visit(const Call *c, const Score *x, Kind kind, double *sum);

/* Visits every score that is not masked. `sum` collects each element of the result, which is rounded at the end. */
static void visit_all(const Call *c, Kind kind, Visit *visit)
{
    size_t n = shape_size(c->out.shape);
    double *sum = arena_zalloc(c->scratch, (n + 1) * sizeof *sum);
    const Segment *s = attention_segments(c);
    for (size_t k = 0; s && sum && k < c->attrs->index_count / 4; k++)
        for (size_t h = 0; h < heads_of(c); h++)
            for (size_t i = 0; i < s[k].q_count; i++)
                for (size_t j = 0; j < s[k].k_count; j++)
                    if (sees(c, &s[k], i, j, kind))
                        visit(c, &(Score){ &s[k], h, i, j, s[k].scores + (h * s[k].q_count + i) * s[k].k_count + j }, kind, sum);
    for (size_t i = 0; sum && i < n; i++)
        c->out.f32[i] = (float)sum[i];
}

static size_t query_at(const Call *c, const Score *x) { return ((x->s->q_begin + x->i) * heads_of(c) + x->head) * dim_of(c); }

static size_t key_at(const Call *c, const Score *x, Kind kind)
{
    return ((x->s->k_begin + x->j) * kv_heads_of(c) + key_head(c, x->head, kind)) * dim_of(c);
}

static void add_score(const Call *c, const Score *x, Kind kind, double *sum)
{
    const float *q = c->in[0].f32 + query_at(c, x), *k = c->in[1].f32 + key_at(c, x, kind);
    for (size_t d = 0; d < dim_of(c); d++)
        sum[x->at] += (double)q[d] * (double)k[d];
}

static void add_mix(const Call *c, const Score *x, Kind kind, double *sum)
{
    const float *v = c->in[1].f32 + key_at(c, x, kind);
    for (size_t d = 0; d < dim_of(c); d++)
        sum[query_at(c, x) + d] += (double)c->in[0].f32[x->at] * (double)v[d];
}

static void add_mix_t(const Call *c, const Score *x, Kind kind, double *sum)
{
    const float *row = c->in[1].f32 + query_at(c, x);
    for (size_t d = 0; d < dim_of(c); d++)
        sum[key_at(c, x, kind) + d] += (double)c->in[0].f32[x->at] * (double)row[d];
}

static void tiled_scores_kernel(const Call *c)     { visit_all(c, TILED, add_score); }
static void tiled_mix_kernel(const Call *c)        { visit_all(c, TILED, add_mix); }
static void tiled_mix_t_kernel(const Call *c)      { visit_all(c, TILED, add_mix_t); }
static void both_ways_scores_kernel(const Call *c) { visit_all(c, BOTH_WAYS, add_score); }
static void both_ways_mix_kernel(const Call *c)    { visit_all(c, BOTH_WAYS, add_mix); }
static void both_ways_mix_t_kernel(const Call *c)  { visit_all(c, BOTH_WAYS, add_mix_t); }

/* --- the softmax of each row of scores, and its derivative p (dp - sum p dp), whose inputs are p and dp --- */

static void softmax_row(const Call *c, const Segment *s, size_t i, const float *in, float *out)
{
    double most = -INFINITY, sum = 0;
    for (size_t j = 0; j < s->k_count; j++)
        most = sees(c, s, i, j, BOTH_WAYS) ? fmax(most, (double)in[j]) : most;
    for (size_t j = 0; j < s->k_count; j++)
        sum += sees(c, s, i, j, BOTH_WAYS) ? exp((double)in[j] - most) : 0;
    for (size_t j = 0; j < s->k_count; j++)
        out[j] = sees(c, s, i, j, BOTH_WAYS) ? (float)(exp((double)in[j] - most) / sum) : 0;
}

static void grad_row(const Segment *s, const float *p, const float *dp, float *out)
{
    double mean = 0;
    for (size_t j = 0; j < s->k_count; j++)
        mean += (double)p[j] * (double)dp[j];
    for (size_t j = 0; j < s->k_count; j++)
        out[j] = (float)((double)p[j] * ((double)dp[j] - mean));
}

static void each_row(const Call *c, bool back)
{
    const Segment *s = attention_segments(c);
    for (size_t k = 0; s && k < c->attrs->index_count / 4; k++)
        for (size_t r = 0; r < heads_of(c) * s[k].q_count; r++) {
            size_t at = s[k].scores + r * s[k].k_count;
            if (back)
                grad_row(&s[k], c->in[0].f32 + at, c->in[1].f32 + at, c->out.f32 + at);
            else
                softmax_row(c, &s[k], r % s[k].q_count, c->in[0].f32 + at, c->out.f32 + at);
        }
}

static void softmax_kernel(const Call *c)      { each_row(c, false); }
static void softmax_grad_kernel(const Call *c) { each_row(c, true); }

/* --- the records --- */

static bool like_first(const Call *c, Shape *out, Error *e)
{
    (void)e;
    *out = c->in[0].shape;
    return true;
}

static bool scores_shape(const Call *c, Shape *out, Error *e) { return op_find("attention_scores")->shape(c, out, e); }
static bool mix_shape(const Call *c, Shape *out, Error *e)    { return op_find("attention_mix")->shape(c, out, e); }
static bool mix_t_shape(const Call *c, Shape *out, Error *e)  { return op_find("attention_mix_t")->shape(c, out, e); }
static void no_bound(BoundRule *r) { (void)r; }

static const Op tiled_mix_t = { .name = "attention_mix_t", .shape = mix_t_shape, .kernel = tiled_mix_t_kernel, .bound = no_bound };
static const Op both_ways_mix_t = { .name = "attention_mix_t", .shape = mix_t_shape, .kernel = both_ways_mix_t_kernel,
                                    .bound = no_bound };
static const Op softmax_grad = { .name = "attention_softmax_grad", .shape = like_first, .kernel = softmax_grad_kernel,
                                 .bound = no_bound };

/* Adds op(a, b) to the gradient of x, with the attributes of y and as many rows as x has. */
static void contribute(Tape *t, Node *y, Node *x, const Op *op, Node *a, Node *b)
{
    Attrs attrs = y->attrs;
    attrs.n[ATTENTION_ROWS] = (int64_t)x->out.shape.dim[0];
    if (x->wants_grad)
        tape_contribute(t, x, tape_push(t, op, 2, (Node *[]){ a, b }, &attrs));
}

static void scores_back(Tape *t, Node *y, Node *dy, const Op *mix, const Op *mix_t)
{
    contribute(t, y, y->in[0], mix, dy, y->in[1]);
    contribute(t, y, y->in[1], mix_t, dy, y->in[0]);
}

static void mix_back(Tape *t, Node *y, Node *dy, const Op *scores, const Op *mix_t)
{
    contribute(t, y, y->in[0], scores, dy, y->in[1]);
    contribute(t, y, y->in[1], mix_t, y->in[0], dy);
}

static void tiled_scores_vjp(Tape *t, Node *y, Node *dy)     { scores_back(t, y, dy, &tiled_mix, &tiled_mix_t); }
static void tiled_mix_vjp(Tape *t, Node *y, Node *dy)        { mix_back(t, y, dy, &tiled_scores, &tiled_mix_t); }
static void both_ways_scores_vjp(Tape *t, Node *y, Node *dy) { scores_back(t, y, dy, &both_ways_mix, &both_ways_mix_t); }
static void both_ways_mix_vjp(Tape *t, Node *y, Node *dy)    { mix_back(t, y, dy, &both_ways_scores, &both_ways_mix_t); }
static void softmax_vjp(Tape *t, Node *y, Node *dy)          { contribute(t, y, y->in[0], &softmax_grad, y, dy); }

const Op tiled_scores = { .name = "attention_scores", .shape = scores_shape, .kernel = tiled_scores_kernel, .bound = no_bound,
                          .vjp = tiled_scores_vjp };
const Op tiled_mix = { .name = "attention_mix", .shape = mix_shape, .kernel = tiled_mix_kernel, .bound = no_bound,
                       .vjp = tiled_mix_vjp };
const Op both_ways_scores = { .name = "attention_scores", .shape = scores_shape, .kernel = both_ways_scores_kernel,
                              .bound = no_bound, .vjp = both_ways_scores_vjp };
const Op both_ways_mix = { .name = "attention_mix", .shape = mix_shape, .kernel = both_ways_mix_kernel, .bound = no_bound,
                           .vjp = both_ways_mix_vjp };
const Op both_ways_softmax = { .name = "attention_softmax", .shape = like_first, .kernel = softmax_kernel, .bound = no_bound,
                               .vjp = softmax_vjp };
