/* SPDX-License-Identifier: MIT */
/* Rotary positions, half-split. C and S are the cosines and sines of the row's position. In each head of size D, for
 * c < D/2,
 *
 *     rope        y[c] = RN(x[c] C[c] - x[c+D/2] S[c])      y[c+D/2] = RN(x[c+D/2] C[c] + x[c] S[c])
 *     rope_back   the transpose: the same with -S in place of S
 *
 * Class A. The two products are exact doubles; u = 2^-53. The rounding of their sum v is at most u |v|, and the test
 * of a bound e adds u (|v| + e), so that e = 3 u |v| covers both. Sums that the test leaves undecided, among them ties,
 * are rounded to odd first (round_sum). Source: Su et al., RoFormer, 2021. */
#include <string.h>
#include "tensor/base/team.h"
#include "tensor/ops.h"
#include "tensor/exact/round.h"
#include "tensor/exact/simd.h"
#include "tensor/bound_rule.h"

static bool rope_shape(const Call *c, Shape *out, Error *e)
{
    const Tensor *x = &c->in[0], *cos = &c->in[1], *sin = &c->in[2];
    size_t heads = (size_t)c->attrs->n[ROPE_HEADS], rows = x->shape.dim[0], cols = x->shape.dim[1];
    bool fits = x->shape.rank == 2 && cos->shape.rank == 2 && shape_equal(cos->shape, sin->shape) && c->attrs->n[ROPE_HEADS] > 0
                && cols % (2 * heads) == 0 && cos->shape.dim[1] == cols / (2 * heads) && c->attrs->index_count == rows
                && x->dtype == F32 && cos->dtype == F32 && sin->dtype == F32;
    char a[64], b[64], d[64];
    if (!fits)
        return error_set(e, "%s: inputs are %s, %s and %s with %zu heads and %zu positions, expected x [N, heads*D], two tables "
                         "[P, D/2] and N positions", c->op->name, shape_text(x->shape, a), shape_text(cos->shape, b),
                         shape_text(sin->shape, d), heads, c->attrs->index_count);
    for (size_t r = 0; r < rows; r++)
        if (c->attrs->index[r] < 0 || (size_t)c->attrs->index[r] >= cos->shape.dim[0])
            return error_set(e, "%s: row %zu has position %d, expected one of the %zu positions of the tables", c->op->name, r,
                             c->attrs->index[r], cos->shape.dim[0]);
    *out = x->shape;
    return true;
}

/* Computes y = RN(p a + q b) for n numbers. */
CLONES static void rotate_pairs(const float *p, const float *a, const float *q, const float *b, size_t n, float *y)
{
    for (size_t j = 0; j < n; j += LANES) {
        size_t part = n - j < LANES ? n - j : LANES;
        v8d first = simd_load_part(p + j, part, 0) * simd_load_part(a + j, part, 0);
        v8d second = simd_load_part(q + j, part, 0) * simd_load_part(b + j, part, 0), v = first + second;
        v8f f;
        v8i fails = simd_round_fails(v, simd_abs(v) * simd_set(IN_U(rope)) + simd_set(tier_slack(1)), &f);
        simd_store_part(y + j, part, f);
        if (simd_any(fails))
            for (size_t c = 0; c < part; c++)
                if (fails[c])
                    y[j + c] = round_sum(first[c], second[c]);
    }
}

// SPAN: the most numbers of a row that are rotated at once; GRAIN: the smallest part of the work, in numbers
enum { SPAN = 512, GRAIN = 8192 };

/* Copies `heads` heads from x to y with the halves of each exchanged. */
static void swap_halves(const float *x, size_t heads, size_t half, float *y)
{
    for (size_t h = 0; h < heads; h++, x += 2 * half, y += 2 * half) {
        memcpy(y, x + half, half * sizeof *y);
        memcpy(y + half, x, half * sizeof *y);
    }
}

/* Several heads of a row are rotated together. Each result is the number times its cosine, plus its partner in the
 * other half of the head times its sine. With sign = 1 (rope) the sines of the first half are negated, with sign = -1
 * (rope_back) those of the second half. */
typedef struct { float cos[SPAN], sin[SPAN], partner[SPAN]; } Heads;

static void row_rotate(const float *x, const float *cos, const float *sin, float sign, size_t heads, size_t half, Heads *scratch, float *y)
{
    const size_t most = SPAN / (2 * half), few = heads < most ? heads : most;
    for (size_t h = 0; h < few; h++) {
        float *c = scratch->cos + 2 * h * half, *s = scratch->sin + 2 * h * half;
        memcpy(c, cos, half * sizeof *c);
        memcpy(c + half, cos, half * sizeof *c);
        for (size_t k = 0; k < half; k++) {
            s[k] = -sign * sin[k];
            s[half + k] = sign * sin[k];
        }
    }
    for (size_t h = 0; h < heads; h += few) {
        const size_t now = heads - h < few ? heads - h : few, at = 2 * h * half;
        swap_halves(x + at, now, half, scratch->partner);
        rotate_pairs(x + at, scratch->cos, scratch->partner, scratch->sin, 2 * now * half, y + at);
    }
}

/* Rotates a head that is longer than SPAN, at most SPAN numbers of each half at a time. */
static void head_rotate(const float *x, const float *cos, const float *sin, float sign, size_t half, Heads *scratch, float *y)
{
    for (size_t k = 0, n; k < half; k += n) {
        n = half - k < SPAN ? half - k : SPAN;
        for (size_t c = 0; c < n; c++)
            scratch->sin[c] = sign * sin[k + c];
        rotate_pairs(x + half + k, cos + k, x + k, scratch->sin, n, y + half + k);
        for (size_t c = 0; c < n; c++)
            scratch->sin[c] = -scratch->sin[c];
        rotate_pairs(x + k, cos + k, x + half + k, scratch->sin, n, y + k);
    }
}

static void rotate(const Call *c, float sign, size_t begin, size_t end)
{
    size_t cols = c->out.shape.dim[1], heads = (size_t)c->attrs->n[ROPE_HEADS], half = cols / (2 * heads);
    for (size_t r = begin; r < end; r++) {
        size_t position = (size_t)c->attrs->index[r];
        const float *cos = c->in[1].f32 + position * half, *sin = c->in[2].f32 + position * half, *x = c->in[0].f32 + r * cols;
        float *y = c->out.f32 + r * cols;
        Heads scratch;
        if (half && 2 * half <= SPAN)
            row_rotate(x, cos, sin, sign, heads, half, &scratch, y);
        else
            for (size_t h = 0; h < heads; h++)
                head_rotate(x + 2 * h * half, cos, sin, sign, half, &scratch, y + 2 * h * half);
    }
}

static void rope_part(const Call *c, size_t begin, size_t end)      { rotate(c, 1, begin, end); }
static void rope_back_part(const Call *c, size_t begin, size_t end) { rotate(c, -1, begin, end); }

static void by_row(const Call *c, CallPart *rows) { call_parts(c, c->out.shape.dim[0], team_grain(GRAIN, c->out.shape.dim[1]), rows); }

static void rope_kernel(const Call *c)      { by_row(c, rope_part); }
static void rope_back_kernel(const Call *c) { by_row(c, rope_back_part); }

/* Bound, with u = 2^-24: 3 u for each of the two products, which includes their sum. An implementation may compute the
 * angle, position times frequency, in fp32, with a relative error of 3 u; no frequency is above 1. So the errors of
 * cosine and sine are at most u (1 + 3 position). */
static void rope_bound(BoundRule *r)
{
    size_t half = r->call->in[1].shape.dim[1];
    for (size_t i = 0; i < r->size; i++) {
        size_t at = i % r->cols % (2 * half), other = at < half ? i + half : i - half;
        size_t position = (size_t)r->call->attrs->index[i / r->cols], row = position * half + at % half;
        double x = magnitude((double)r->x[0][i]), z = magnitude((double)r->x[0][other]), c = magnitude((double)r->x[1][row]),
               s = magnitude((double)r->x[2][row]);
        r->out[i] = c * (double)r->b[0][i] + s * (double)r->b[0][other] + 3 * U24 * (x * c + z * s)
                  + U24 * (1 + 3 * (double)position) * (x + z);
    }
}

extern const Op op_record_rope, op_record_rope_back;

static void rope_vjp(Tape *t, Node *y, Node *dy)
{
    if (y->in[0]->wants_grad)
        tape_contribute(t, y->in[0], tape_push(t, &op_record_rope_back, 3, (Node *[]){ dy, y->in[1], y->in[2] }, &y->attrs));
}

static void rope_back_vjp(Tape *t, Node *y, Node *dy)
{
    if (y->in[0]->wants_grad)
        tape_contribute(t, y->in[0], tape_push(t, &op_record_rope, 3, (Node *[]){ dy, y->in[1], y->in[2] }, &y->attrs));
}

const Op op_record_rope = {
    .name = "rope", .kind = CLASS_A, .inputs = "x cos sin", .ints = { [ROPE_HEADS] = "heads" }, .index = "positions [N]",
    .shapes = "[N, C], [P, C/heads/2], [P, C/heads/2] -> [N, C]",
    .formula = "y1 = RN(x1 C - x2 S), y2 = RN(x2 C + x1 S), x1 and x2 the halves of a head, C and S the rows positions[i] of cos and sin",
    .shape = rope_shape, .kernel = rope_kernel, .bound = rope_bound, .vjp = rope_vjp,
};

const Op op_record_rope_back = {
    .name = "rope_back", .kind = CLASS_A, .inputs = "dy cos sin", .ints = { [ROPE_HEADS] = "heads" }, .index = "positions [N]",
    .shapes = "[N, C], [P, C/heads/2], [P, C/heads/2] -> [N, C]",
    .formula = "dx1 = RN(dy1 C + dy2 S), dx2 = RN(dy2 C - dy1 S)",
    .shape = rope_shape, .kernel = rope_back_kernel, .bound = rope_bound, .vjp = rope_back_vjp,
};

static Node *push(Tape *t, const Op *op, Node *x, Node *cos, Node *sin, const int32_t *positions, size_t heads)
{
    size_t n = x && x->out.shape.rank == 2 ? x->out.shape.dim[0] : 0;
    Attrs attrs = { .n = { [ROPE_HEADS] = (int64_t)heads }, .index = tape_index(t, positions, n), .index_count = n };
    return tape_push(t, op, 3, (Node *[]){ x, cos, sin }, &attrs);
}

Node *op_rope(Tape *t, Node *x, Node *cos_table, Node *sin_table, const int32_t *positions, size_t heads)
{
    return push(t, &op_record_rope, x, cos_table, sin_table, positions, heads);
}

Node *op_rope_back(Tape *t, Node *dy, Node *cos_table, Node *sin_table, const int32_t *positions, size_t heads)
{
    return push(t, &op_record_rope_back, dy, cos_table, sin_table, positions, heads);
}
