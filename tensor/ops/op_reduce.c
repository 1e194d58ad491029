/* SPDX-License-Identifier: MIT */
/* Sums, means and the norm. Sums are of class A, means of class A', and the norm (the root of a sum of squares) is of
 * class B.
 *
 * Tier 1 adds in binary64, in any order. The error of a tree of additions of height h is at most h u times the sum
 * of all |terms|, with u = 2^-53, because squares and products of two floats are exact. If the rounding test does
 * not decide, an Exact adds the terms again; a mean or a root is then compared with the midpoint between the two
 * floats that are left. A zero is +0. If a term is infinite or NaN, the result is what IEEE 754 gives, which does
 * not depend on the order. */
#include "tensor/base/team.h"
#include "tensor/exact/exact.h"
#include "tensor/ops.h"
#include "tensor/exact/round.h"
#include "tensor/exact/simd.h"
#include "tensor/bound_rule.h"

enum { CHUNK = 4096, GRAIN = 4 };        // numbers of a chunk; chunks of a part of the work

/* --- Sums of adjacent numbers. --- */

/* A sum, the sum of its |terms|, and its height h: |sum - true sum| <= h u abs_sum. In the Total of one chunk h is 0,
 * and `total` sets that of the whole. */
typedef struct { double sum, abs_sum, h; } Total;

SIMD Total chunk(const float *x, size_t n, bool squares)
{
    v8d sum = simd_set(0), abs_sum = sum;
    for (size_t j = 0; j < n; j += LANES) {
        v8d v = simd_load_part(x + j, n - j, 0);
        v = squares ? v * v : v;
        sum += v;
        abs_sum += simd_abs(v);
    }
    return (Total){ simd_sum(sum), simd_sum(abs_sum), 0 };
}

CLONES static void chunk_plain(const float *x, size_t n, Total *t)   { *t = chunk(x, n, false); }
CLONES static void chunk_squares(const float *x, size_t n, Total *t) { *t = chunk(x, n, true); }

typedef struct { const float *x; size_t n; bool squares; Total *totals; } Chunks;

static void chunks_part(const void *data, size_t begin, size_t end, size_t worker)
{
    const Chunks *c = data;
    (void)worker;
    for (size_t k = begin; k < end; k++) {
        size_t left = c->n - k * CHUNK, m = left < CHUNK ? left : CHUNK;
        (c->squares ? chunk_squares : chunk_plain)(c->x + k * CHUNK, m, &c->totals[k]);
    }
}

/* Sums n numbers or their squares. The height h of the tree: ceil(m / LANES) - 1 additions in a lane for the longest
 * chunk, of m numbers (the first one adds to 0 and is exact), 3 for the lanes, and one for each chunk but the first.
 *
 *     the sum                   h u abs_sum
 *     the division of a mean    u |result|
 *     the test itself           u |result| and u of the bound
 *     sum                       (h + 2) u abs_sum, because |sum| <= abs_sum;   (h + 4) u abs_sum is claimed
 *
 * The other 2 u abs_sum cover the computed abs_sum, which may be too small by h u of itself: h^2 u < 1 for n < 2^37. */
static Total total(const Call *c, const float *x, size_t n, bool squares)
{
    ArenaMark mark = arena_mark(c->scratch);
    size_t chunks = (n + CHUNK - 1) / CHUNK;
    Total *totals = arena_array(c->scratch, chunks, sizeof *totals), all = { 0 };
    if (totals)
        team_run(chunks, GRAIN, chunks_part, &(Chunks){ x, n, squares, totals }, c->error);
    for (size_t k = 0; totals && k < chunks; k++) {
        all.sum += totals[k].sum;
        all.abs_sum += totals[k].abs_sum;
    }
    all.h = (double)(((n < CHUNK ? n : CHUNK) + LANES - 1) / LANES + 1 + chunks);
    arena_release(c->scratch, mark);
    return all;
}

static void exact_range(Exact *s, const float *x, size_t n, bool squares)
{
    for (size_t k = 0; k < n; k++)
        if (squares)
            exact_add_product(s, x[k], x[k]);
        else
            exact_add(s, x[k]);
}

static float range_sum(const Call *c, const float *x, size_t n, bool squares)
{
    float y;
    Total t = total(c, x, n, squares);
    if (round_decides(t.sum, HEIGHT_U(t.h, sum) * t.abs_sum + tier_slack(1), &y))
        return y + 0.0f;
    Exact s = exact_zero();
    exact_range(&s, x, n, squares);
    return exact_round(&s);
}

/* --- A mean is decided by comparing the sum with n times a midpoint. --- */

typedef struct { const Exact *sum; size_t n; } Mean;

static int mean_compare(const void *value, double m)
{
    const Mean *q = value;
    Exact s = *q->sum;
    // n < 2^48 is cut into two parts of 24 bits; m has 25 bits, so both products are exact
    size_t low = q->n & 0xffffff;
    exact_add(&s, -m * (double)low);
    exact_add(&s, -m * (double)(q->n - low));
    return exact_sign(&s);
}

/* The rounding of the sum and the division err by u each, and the test adds one u; 4 u is claimed. */
static float mean_round(const Exact *s, size_t n)
{
    double v = exact_round64(s) / (double)n, e = IN_U(mean_exact) * fabs(v) + tier_slack(2);
    PROBE(2, v, 0, e);
    if (v - v != 0)
        return float_canonical((float)v);
    float lo = (float)(v - e), hi = (float)(v + e);
    return lo == hi ? lo + 0.0f : round_compare(lo, hi, mean_compare, &(Mean){ s, n });
}

/* RN(the sum of `count` elements / n) */
static float range_mean(const Call *c, const float *x, size_t count, size_t n)
{
    float y;
    Total t = total(c, x, count, false);
    double v = t.sum / (double)n;
    if (round_decides(v, HEIGHT_U(t.h, sum) * t.abs_sum / (double)n + tier_slack(1), &y))
        return y + 0.0f;
    Exact s = exact_zero();
    exact_range(&s, x, count, false);
    return n ? mean_round(&s, n) : float_nan();
}

/* --- The root of a sum of squares is decided by comparing the sum with the square of a midpoint. --- */

static int norm_compare(const void *value, double m)
{
    Exact s = *(const Exact *)value;
    if (m < 0)
        return 1;
    exact_add(&s, -m * m);                                   // m^2 has 50 bits, so it is exact
    return exact_sign(&s);
}

/* The rounding of the sum errs by u / 2 in the root, the root by u, and the test adds one u; 4 u is claimed. */
static float norm_round(const Exact *s)
{
    double v = sqrt(exact_round64(s)), e = IN_U(square_norm_exact) * v + tier_slack(2);
    PROBE(2, v, 0, e);
    if (v - v != 0)
        return float_canonical((float)v);
    float lo = (float)(v - e), hi = (float)(v + e);
    return lo == hi ? lo + 0.0f : round_compare(lo, hi, norm_compare, s);
}

/* --- Reductions of all elements to a scalar. --- */

static bool scalar_shape(const Call *c, Shape *out, Error *e)
{
    (void)e;
    (void)c;
    *out = shape_of(0);
    return true;
}

static bool mean_shape(const Call *c, Shape *out, Error *e)
{
    int64_t n = c->attrs->n[MEAN_N];
    return (n >= 0 && n < (int64_t)1 << 48) ? scalar_shape(c, out, e)
         : error_set(e, "mean: n = %lld, expected a count below 2^48", (long long)n);
}

static void sum_kernel(const Call *c)
{
    c->out.f32[0] = range_sum(c, call_value(c, 0)->f32, shape_size(call_value(c, 0)->shape), false);
}

static void mean_kernel(const Call *c)
{
    c->out.f32[0] = range_mean(c, call_value(c, 0)->f32, shape_size(call_value(c, 0)->shape), (size_t)c->attrs->n[MEAN_N]);
}

static void square_sum_kernel(const Call *c)
{
    c->out.f32[0] = range_sum(c, call_value(c, 0)->f32, shape_size(call_value(c, 0)->shape), true);
}

static void square_norm_kernel(const Call *c)
{
    double sum = 0, h = 0;
    for (size_t k = 0; k < c->n_in; k++) {
        Total t = total(c, call_value(c, k)->f32, shape_size(call_value(c, k)->shape), true);
        sum += t.sum;
        h = (h > t.h ? h : t.h) + 1;
    }
    double v = sqrt(sum);
    // half of h u for the sum, u for the root, u for the test; (h / 2 + 3) u is claimed
    if (round_decides(v, HEIGHT_U(h / 2, square_norm) * v + tier_slack(1), c->out.f32))
        return;
    Exact s = exact_zero();
    for (size_t k = 0; k < c->n_in; k++)
        exact_range(&s, call_value(c, k)->f32, shape_size(call_value(c, k)->shape), true);
    c->out.f32[0] = norm_round(&s);
}

/* --- Bounds of fp32 (bound_rule.h). From here on u = 2^-24. --- */

/* The bound of the sum of the n numbers x[from … to - 1], divided by `divisor`. There are n - 1 additions and the
 * division, for which (n + 2) u sum |x| is claimed. */
static double range_bound(const BoundRule *r, size_t from, size_t to, double divisor)
{
    double carried = 0, terms = 0;
    for (size_t i = from; i < to; i++) {
        carried += (double)r->b[0][i];
        terms += magnitude((double)r->x[0][i]);
    }
    return (carried + (double)(to - from + 2) * U24 * terms) / divisor;
}

static void sum_bound(BoundRule *r)
{
    r->out[0] = range_bound(r, 0, shape_size(r->call->in[0].shape), 1);
}

static void mean_bound(BoundRule *r)
{
    r->out[0] = range_bound(r, 0, shape_size(r->call->in[0].shape), (double)r->call->attrs->n[MEAN_N]);
}

/* A square is rounded by u and takes part in n - 1 additions. The error of x is multiplied by 2 |x|. */
static void square_sum_bound(BoundRule *r)
{
    size_t n = shape_size(r->call->in[0].shape);
    for (size_t i = 0; i < n; i++) {
        double x = (double)r->x[0][i], b = (double)r->b[0][i];
        r->out[0] += bound_term(x, x, b, b, (double)n);
    }
}

/* The error of y^2, a sum of n squares, is n u y^2, plus 2 |x| b for each element. The root divides it by 2 y. The
 * squares and the root add 3 u y. */
static void square_norm_bound(BoundRule *r)
{
    double n = 0, carried = 0, y = (double)r->y[0];
    for (size_t k = 0; k < r->call->n_in; k++)
        for (size_t i = 0; i < shape_size(r->call->in[k].shape); i++, n++)
            carried += magnitude((double)r->x[k][i]) * (double)r->b[k][i];
    r->out[0] = y > 0 ? (n / 2 + 3) * U24 * y + carried / y : 0;
}

/* The gradient of every element of x is dy, a scalar. */
static void spread_scalar(Tape *t, Node *x, Node *dy)
{
    Node *all = op_broadcast_rows(t, op_reshape(t, dy, shape_of(1, (size_t)1)), shape_size(x->out.shape));
    tape_contribute(t, x, op_reshape(t, all, x->out.shape));
}

static void sum_vjp(Tape *t, Node *y, Node *dy)
{
    spread_scalar(t, y->in[0], dy);
}

static void mean_vjp(Tape *t, Node *y, Node *dy)
{
    size_t n = (size_t)y->attrs.n[MEAN_N];
    if ((double)(float)n != (double)n)
        error_set(t->error, "mean: the derivative divides by n = %zu, expected a number that fp32 can hold", n);
    spread_scalar(t, y->in[0], op_ratio(t, dy, 1, (float)n));
}

static void square_sum_vjp(Tape *t, Node *y, Node *dy)
{
    tape_contribute(t, y->in[0], op_scale_by(t, y->in[0], op_scale(t, dy, 2)));
}

const Op op_record_sum = {
    .name = "sum", .formula = "y = RN(sum of all x); a zero is +0", .kind = CLASS_A, .inputs = "x",
    .shapes = "[…] -> []",
    .shape = scalar_shape, .kernel = sum_kernel, .bound = sum_bound, .vjp = sum_vjp,
};

const Op op_record_mean = {
    .name = "mean", .formula = "y = RN((sum of all x) / n); a zero is +0; NaN when n is 0",
    .shapes = "[…] -> []",
    .kind = CLASS_A_RATIONAL, .inputs = "x", .ints = { [MEAN_N] = "n" },
    .shape = mean_shape, .kernel = mean_kernel, .bound = mean_bound, .vjp = mean_vjp,
};

const Op op_record_square_sum = {
    .name = "square_sum", .formula = "y = RN(sum of all x^2); a zero is +0", .kind = CLASS_A, .inputs = "x",
    .shapes = "[…] -> []",
    .shape = scalar_shape, .kernel = square_sum_kernel, .bound = square_sum_bound, .vjp = square_sum_vjp,
};

/* square_norm has no derivative: the optimiser and some unlearning methods take norms of gradients, of changes of
 * weights and of constants, through which no gradient flows. */
const Op op_record_square_norm = {
    .name = "square_norm", .formula = "y = RN(sqrt(sum of x^2 over all elements of all inputs))", .kind = CLASS_B, .inputs = "x...",
    .shapes = "[…], […], … -> []",
    .shape = scalar_shape, .kernel = square_norm_kernel, .bound = square_norm_bound,
};

Node *op_mean_over(Tape *t, Node *x, size_t n)
{
    return tape_push(t, &op_record_mean, 1, &x, &(Attrs){ .n = { [MEAN_N] = (int64_t)n } });
}

Node *op_sum(Tape *t, Node *x)        { return tape_push(t, &op_record_sum, 1, &x, NULL); }
Node *op_mean(Tape *t, Node *x)       { return op_mean_over(t, x, x ? shape_size(x->out.shape) : 0); }
Node *op_square_sum(Tape *t, Node *x) { return tape_push(t, &op_record_square_sum, 1, &x, NULL); }

Node *op_square_norm(Tape *t, size_t n, Node *const x[])
{
    return tape_push(t, &op_record_square_norm, n, x, NULL);
}

/* --- Segments of a vector. --- */

static bool segment_shape(const Call *c, Shape *out, Error *e)
{
    char text[64];
    Shape x = call_value(c, 0)->shape;
    const Attrs *a = c->attrs;
    if (x.rank != 1 || a->index_count == 0)
        return error_set(e, "%s: x has shape %s with %zu offsets, expected a vector [R] and one offset more than segments", c->op->name,
                         shape_text(x, text), a->index_count);
    for (size_t k = 0; k < a->index_count; k++)
        if (a->index[k] < (k ? a->index[k - 1] : 0) || (size_t)a->index[k] > x.dim[0])
            return error_set(e, "%s: offset %zu is %d, expected offsets that ascend from 0 to %zu at most", c->op->name, k,
                             a->index[k], x.dim[0]);
    *out = shape_of(1, a->index_count - 1);
    return true;
}

static void segment_sum_kernel(const Call *c)
{
    const int32_t *at = c->attrs->index;
    for (size_t k = 0; k + 1 < c->attrs->index_count; k++)
        c->out.f32[k] = range_sum(c, call_value(c, 0)->f32 + at[k], (size_t)(at[k + 1] - at[k]), false);
}

static void segment_mean_kernel(const Call *c)
{
    const int32_t *at = c->attrs->index;
    for (size_t k = 0; k + 1 < c->attrs->index_count; k++)
        c->out.f32[k] = range_mean(c, call_value(c, 0)->f32 + at[k], (size_t)(at[k + 1] - at[k]), (size_t)(at[k + 1] - at[k]));
}

static void segment_sum_bound(BoundRule *r)
{
    const int32_t *at = r->call->attrs->index;
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = range_bound(r, (size_t)at[i], (size_t)at[i + 1], 1);
}

static void segment_mean_bound(BoundRule *r)
{
    const int32_t *at = r->call->attrs->index;
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = range_bound(r, (size_t)at[i], (size_t)at[i + 1], (double)(at[i + 1] - at[i]));
}

/* Methods state the gradients of their losses themselves (op_loss.c), so no gradient flows through a segment. */
const Op op_record_segment_sum = {
    .name = "segment_sum", .formula = "y[i] = RN(sum of x[j], offsets[i] <= j < offsets[i+1]); a zero is +0", .kind = CLASS_A,
    .shapes = "[R] -> [n]",
    .inputs = "x",
    .index = "offsets [n+1]", .shape = segment_shape, .kernel = segment_sum_kernel, .bound = segment_sum_bound,
};

const Op op_record_segment_mean = {
    .name = "segment_mean", .kind = CLASS_A_RATIONAL, .inputs = "x", .index = "offsets [n+1]",
    .shapes = "[R] -> [n]",
    .formula = "y[i] = RN((sum of x[j], offsets[i] <= j < offsets[i+1]) / (offsets[i+1] - offsets[i])); a zero is +0; NaN for "
               "an empty segment",
    .shape = segment_shape, .kernel = segment_mean_kernel, .bound = segment_mean_bound,
};

Node *op_segment_sum(Tape *t, Node *x, const int32_t *offsets, size_t n)
{
    return tape_push(t, &op_record_segment_sum, 1, &x, &(Attrs){ .index = tape_index(t, offsets, n + 1), .index_count = n + 1 });
}

Node *op_segment_mean(Tape *t, Node *x, const int32_t *offsets, size_t n)
{
    return tape_push(t, &op_record_segment_mean, 1, &x, &(Attrs){ .index = tape_index(t, offsets, n + 1), .index_count = n + 1 });
}
