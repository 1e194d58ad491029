/* SPDX-License-Identifier: MIT */
/* layernorm and rmsnorm divide the rows of a matrix by their spread; these two and their derivatives are of class B.
 * The file is longer than 400 lines, because the bounds of its formula are derived beside the code.
 *
 * One formula serves all four operators. With C columns, S1 = sum x, S2 = sum x^2, D1 = sum dn, P = sum dn x over a
 * row, and
 *     V = C S2 - S1^2 + C^2 eps = C^2 (var + eps)
 *     n_i  = (C x_i - S1) / sqrt(V)
 *     dx_i = ((C dn_i - D1) V - (C x_i - S1) (C P - S1 D1)) / sqrt(V^3)
 * n is the layernorm of the row x, and dx the gradient of x, if dn is the gradient of n. With S1 and D1 set to 0, n is
 * the rmsnorm.
 *
 * Tier 1 is binary64 with the bounds derived below. The elements that it leaves undecided (about one in a million)
 * are decided with the exact values of S1, V and the other sums (big.h). A zero is +0. All elements of a row are
 * NaN when a number of x or dn is infinite or NaN, or when V = 0 (eps = 0, and all numbers of the row are zero or, for
 * layernorm, equal). */
#include <string.h>
#include "tensor/base/team.h"
#include "tensor/exact/big.h"
#include "tensor/ops.h"
#include "tensor/exact/round.h"
#include "tensor/exact/simd.h"
#include "tensor/bound_rule.h"

enum { GRAIN = 1 << 13, COLS_MAX = 1 << 24 };     // GRAIN: the smallest part of the work, in numbers

/* A row of one of the four operators. dn is NULL in the two forward ones. */
typedef struct {
    const float *x, *dn;
    float *y;
    size_t cols;
    float eps;
    bool centred;             // layernorm
} Row;

/* --- The exact tier: the exact sums of a row, which are computed when the first undecided element needs them. --- */
typedef struct {
    bool ready, valid;        // valid: all numbers are finite and V > 0
    Big s1, d1, v, cross, v3; // cross = C P - S1 D1; v3 = V^3
} RowExact;

static void row_exact_make(RowExact *e, const Row *r)
{
    Exact s1 = exact_zero(), s2 = exact_zero(), d1 = exact_zero(), p = exact_zero();
    for (size_t j = 0; j < r->cols; j++) {
        exact_add(&s1, r->x[j]);
        exact_add_product(&s2, r->x[j], r->x[j]);
        if (r->dn) {
            exact_add(&d1, r->dn[j]);
            exact_add_product(&p, r->dn[j], r->x[j]);
        }
    }
    e->ready = true;
    e->valid = !s1.special && !d1.special;
    if (!e->valid)
        return;
    double cols = (double)r->cols;
    e->s1 = r->centred ? big_from_exact(&s1) : big_from(0);
    e->d1 = r->centred ? big_from_exact(&d1) : big_from(0);
    Big squares = big_from_exact(&s2), s1_squared = big_mul(&e->s1, &e->s1), c2_eps = big_from(r->eps);
    squares = big_mul_d(&squares, cols);
    squares = big_sub(&squares, &s1_squared);
    c2_eps = big_mul_d(&c2_eps, cols * cols);                    // C^2 < 2^48
    e->v = big_add(&squares, &c2_eps);
    e->valid = e->v.sign > 0;
    if (r->dn) {
        Big products = big_from_exact(&p), s1_d1 = big_mul(&e->s1, &e->d1);
        products = big_mul_d(&products, cols);
        e->cross = big_sub(&products, &s1_d1);
        e->v3 = big_mul(&e->v, &e->v);
        e->v3 = big_mul(&e->v3, &e->v);
    }
}

/* C x - sum, where `sum` is the sum of the row: C times the deviation from the row's mean. (rmsnorm: `sum` is 0.) */
static Big deviation(const Row *r, float x, const Big *sum)
{
    Big a = big_from((double)x * (double)r->cols);           // 24 + 24 bits: exact
    return big_sub(&a, sum);
}

static __attribute__((noinline)) float row_decide(RowExact *e, const Row *r, size_t i)
{
    if (!e->ready)
        row_exact_make(e, r);
    if (!e->valid)
        return float_nan();
    Big x = deviation(r, r->x[i], &e->s1);
    if (!r->dn)
        return big_round_over_root(&x, &e->v);
    Big dn = deviation(r, r->dn[i], &e->d1);
    dn = big_mul(&dn, &e->v);
    x = big_mul(&x, &e->cross);
    Big n = big_sub(&dn, &x);
    return big_round_over_root(&n, &e->v3);
}

/* --- Tier 1. u = 2^-53, and h = C / 8 + 3 is the height of the tree that sums C terms over eight lanes. The
 * factors 1.01 cover the terms of second order while rho (see Moments) is below 2^-10; where it is larger, tier 1
 * decides nothing. --- */

typedef struct {
    double mean, delta;       // |mean - true mean| <= delta; both are 0 for rmsnorm
    double var;               // the variance (rmsnorm: the mean of x^2), plus eps
    double rho;               // |var - true var - eps| <= rho (true var + eps)
    double root;              // 1 / sqrt(var), with a relative error of at most 0.51 rho + 2 u
    double h;                 // the height of the sums
} Moments;

/* x - mean of up to eight elements; 0 in lanes beyond the row. */
SIMD v8d load_row(const float *x, size_t n, double mean)
{
    if (n >= LANES)
        return simd_load(x) - mean;
    double d[LANES] = { 0 };
    for (size_t l = 0; l < n; l++)
        d[l] = x[l] - mean;
    v8d v;
    memcpy(&v, d, sizeof v);
    return v;
}

/* In the mean, the sum errs by at most h u sum |x| / C, and the division by u |mean|. The claim is (h + 3) u sum
 * |x| / C.
 * For the computed mean m, sum (x - m)^2 = C var + C (m - mean)^2 holds exactly, so that the error of m enters the
 * variance as its square. The roundings are
 *
 *     the difference, squared       2 u
 *     the square                    1 u
 *     the sum                       h u
 *     the division and eps          2 u
 *     sum                     (h + 5) u,   (h + 8) u is claimed */
SIMD Moments row_spread(const Row *r)
{
    double cols = (double)r->cols;
    Moments s = { .h = (double)(r->cols / LANES + 3) };
    v8d sum = simd_set(0), abs_sum = sum, squares = sum;
    if (r->centred) {
        for (size_t j = 0; j < r->cols; j += LANES) {
            v8d x = load_row(r->x + j, r->cols - j, 0);
            sum += x;
            abs_sum += simd_abs(x);
        }
        s.mean = simd_sum(sum) / cols;
        s.delta = HEIGHT_U(s.h, norm_mean) * simd_sum(abs_sum) / cols;
    }
    for (size_t j = 0; j < r->cols; j += LANES) {
        v8d d = load_row(r->x + j, r->cols - j, s.mean);
        squares += d * d;
    }
    s.var = simd_sum(squares) / cols + (double)r->eps;
    s.rho = HEIGHT_U(s.h, norm_variance) + FACTOR(norm_square) * s.delta * s.delta / s.var;
    s.root = 1 / __builtin_sqrt(s.var);
    return s;
}

static inline bool trusted(const Moments *s)
{
    return s->rho < 0x1p-10 && s->var < (double)INFINITY;
}

SIMD void put(RowExact *e, const Row *r, size_t j, v8d v, v8d bound)
{
    v8f y;
    v8i open = simd_round_fails(v, bound, &y);
    size_t n = r->cols - j;
    simd_store_part(r->y + j, n, y + 0.0f);                  // -0 becomes +0
    if (simd_any(open))
        for (size_t l = 0; l < LANES && l < n; l++)
            if (open[l])
                r->y[j + l] = row_decide(e, r, j + l);
}

/* n = d root:                        absolute          relative
 *     d = x - mean                   root delta        1 u
 *     root                                             0.51 rho + 2 u
 *     the product                                      1 u
 *     the test itself                                  1 u
 *     sum                            root delta        0.51 rho + 5 u
 * 1.01 root delta + 0.51 rho + 6 u is claimed. */
SIMD void row_forward(const Row *r)
{
    RowExact exact;
    exact.ready = false;
    Moments s = row_spread(r);
    double absolute = FACTOR(norm_shift) * s.root * s.delta + tier_slack(1), relative = FACTOR(norm_root) * s.rho + IN_U(norm_result);
    if (!trusted(&s))
        absolute = (double)INFINITY;
    for (size_t j = 0; j < r->cols; j += LANES) {
        v8d v = load_row(r->x + j, r->cols - j, s.mean) * s.root;
        put(&exact, r, j, v, absolute + relative * simd_abs(v));
    }
}

/* dx = y root with y = dn - b - d k, d = x - mean, b = mean dn (0 for rmsnorm), k = q / (C var), q = sum dn d, and var
 * as in Moments (eps included). The error delta of d moves q by at most delta sum|dn|; the roundings of d, of the
 * product and of the sum move it by (h + 2) u sum|dn d|. So
 *   |k - true k| <= dk = (delta sum|dn| + (h + 3) u sum|dn d| + |q| (rho + 4 u)) / (C var),
 *   |b - true b| <= db = (h + 3) u sum|dn| / C.
 * The error of y is db + (delta + u |d|) |k| + |d| dk, plus 2 u |d k| + 2 u |y| for its three roundings. The
 * product with root adds 0.51 rho + 3 u of the result, and the test adds u. */
SIMD void row_backward(const Row *r)
{
    RowExact exact;
    exact.ready = false;
    Moments s = row_spread(r);
    double cols = (double)r->cols;
    v8d sum = simd_set(0), abs_dn = sum, products = sum, abs_products = sum;
    for (size_t j = 0; j < r->cols; j += LANES) {
        v8d g = load_row(r->dn + j, r->cols - j, 0), product = g * load_row(r->x + j, r->cols - j, s.mean);
        sum += g;
        abs_dn += simd_abs(g);
        products += product;
        abs_products += simd_abs(product);
    }
    double q = simd_sum(products), abs_q = simd_sum(abs_products), abs_dn_sum = simd_sum(abs_dn), c_var = cols * s.var;
    double b = r->centred ? simd_sum(sum) / cols : 0, db = r->centred ? HEIGHT_U(s.h, norm_dx_mean) * abs_dn_sum / cols : 0;
    double k = q / c_var, abs_k = fabs(k);
    double moved = s.delta * abs_dn_sum + HEIGHT_U(s.h, norm_dx_dot) * abs_q + fabs(q) * (s.rho + IN_U(norm_dx_quotient));
    double dk = FACTOR(norm_dx_factor) * moved / c_var;

    double absolute = FACTOR(norm_shift) * s.root * (db + s.delta * abs_k) + tier_slack(1);
    double by_d = FACTOR(norm_dx_slope) * s.root * (dk + IN_U(norm_dx_product) * abs_k);
    double relative = FACTOR(norm_root) * s.rho + IN_U(norm_dx_result);
    if (!trusted(&s) || !(abs_dn_sum < (double)INFINITY))
        absolute = (double)INFINITY;
    for (size_t j = 0; j < r->cols; j += LANES) {
        v8d d = load_row(r->x + j, r->cols - j, s.mean);
        v8d v = (load_row(r->dn + j, r->cols - j, b) - d * k) * s.root;
        put(&exact, r, j, v, absolute + by_d * simd_abs(d) + relative * simd_abs(v));
    }
}

CLONES static void layernorm_row(const Row *r)  { row_forward(r); }
CLONES static void rmsnorm_row(const Row *r)    { row_forward(r); }
CLONES static void layernorm_dx_row(const Row *r) { row_backward(r); }
CLONES static void rmsnorm_dx_row(const Row *r)   { row_backward(r); }

/* --- The operators. --- */

typedef struct { const Call *c; size_t cols; bool centred; void (*row)(const Row *); } Rows;

static void rows_part(const void *data, size_t begin, size_t end, size_t worker)
{
    const Rows *r = data;
    const Call *c = r->c;
    (void)worker;
    for (size_t at = begin * r->cols; at < end * r->cols; at += r->cols)
        r->row(&(Row){ c->in[0].f32 + at, c->n_in > 1 ? c->in[1].f32 + at : NULL, c->out.f32 + at, r->cols,
                       c->attrs->f[NORM_EPS], r->centred });
}

static void each_row(const Call *c, bool centred, void (*row)(const Row *))
{
    size_t cols = shape_cols(c->out.shape), rows = cols ? shape_size(c->out.shape) / cols : 0;
    team_run(rows, team_grain(GRAIN, cols), rows_part, &(Rows){ c, cols, centred, row }, c->error);
}

static void layernorm_kernel(const Call *c)    { each_row(c, true, layernorm_row); }
static void rmsnorm_kernel(const Call *c)      { each_row(c, false, rmsnorm_row); }
static void layernorm_dx_kernel(const Call *c) { each_row(c, true, layernorm_dx_row); }
static void rmsnorm_dx_kernel(const Call *c)   { each_row(c, false, rmsnorm_dx_row); }

static bool norm_shape(const Call *c, Shape *out, Error *e)
{
    char a[64], b[64];
    float eps = c->attrs->f[NORM_EPS];
    *out = call_value(c, 0)->shape;
    if (!(eps >= 0 && eps < INFINITY))
        return error_set(e, "%s: eps is %g, expected a finite number of at least 0", c->op->name, (double)eps);
    if (out->rank < 1 || shape_cols(*out) > COLS_MAX)
        return error_set(e, "%s: x has shape %s, expected rows [N, C] with C up to %d", c->op->name, shape_text(*out, a), COLS_MAX);
    if (c->n_in > 1 && !shape_equal(*out, call_value(c, 1)->shape))
        return error_set(e, "%s: x has shape %s and dn %s, expected equal shapes", c->op->name,
                         shape_text(*out, a), shape_text(call_value(c, 1)->shape, b));
    return true;
}

static void layernorm_vjp(Tape *t, Node *y, Node *dy)
{
    tape_contribute(t, y->in[0], op_layernorm_dx(t, y->in[0], dy, y->attrs.f[NORM_EPS]));
}

static void rmsnorm_vjp(Tape *t, Node *y, Node *dy)
{
    tape_contribute(t, y->in[0], op_rmsnorm_dx(t, y->in[0], dy, y->attrs.f[NORM_EPS]));
}

/* --- Bounds of fp32 (bound_rule.h). From here on u = 2^-24. --- */

/* What n = (x - mean) / sd of a row is made of. `size` is the mean of |x|; `off` bounds the error of the mean, and
 * `rel` the relative error of sd. For rmsnorm mean, size and off are 0. */
typedef struct { double sd, mean, size, off, rel; } Deviation;

static double n_of(const Deviation *s, const float *x, size_t i) { return ((double)x[i] - s->mean) / s->sd; }

/* The error of the mean is (C + 2) u mean |x|, plus the errors of x. The relative error of sd is (C + 10) u, plus
 * what the errors of the mean and of x contribute. */
static Deviation deviation_of(const BoundRule *r, size_t row, bool centred)
{
    const float *x = r->x[0] + row * r->cols, *b = r->b[0] + row * r->cols;
    Deviation s = { .off = 0 };
    double var = 0, c = (double)r->cols, carried = 0, moved = 0;
    for (size_t i = 0; i < r->cols && centred; i++) {
        s.mean += (double)x[i] / c;
        s.size += magnitude((double)x[i]) / c;
        carried += (double)b[i] / c;
    }
    for (size_t i = 0; i < r->cols; i++)
        var += ((double)x[i] - s.mean) * ((double)x[i] - s.mean) / c;
    s.sd = __builtin_sqrt(var + (double)r->call->attrs->f[NORM_EPS]);
    for (size_t i = 0; i < r->cols; i++)
        moved += magnitude(n_of(&s, x, i)) * (double)b[i] / c;
    s.off = (c + 2) * U24 * s.size;
    s.rel = U24 * (c + 10) + (2 * s.off + moved) / s.sd;
    s.off += carried;
    return s;
}

static double n_off(const BoundRule *r, const Deviation *s, size_t row, size_t i)
{
    const float *x = r->x[0] + row * r->cols;
    return ((double)r->b[0][row * r->cols + i] + s->off + U24 * (magnitude((double)x[i]) + magnitude(s->mean))) / s->sd
         + magnitude(n_of(s, x, i)) * s->rel;
}

static void forward_bound(BoundRule *r, bool centred)
{
    for (size_t row = 0; row < r->size / r->cols; row++) {
        Deviation s = deviation_of(r, row, centred);
        for (size_t i = 0; i < r->cols; i++)
            r->out[row * r->cols + i] = n_off(r, &s, row, i);
    }
}

/* dx = (dn - mean(dn) - n mean(dn n)) / sd; for rmsnorm without mean(dn).
 * Some implementations compute dx from x instead of n. Their roundings are relative to (|x| + mean|x|) / sd, which may
 * be much larger than |n|; the bound covers them too. */
static void backward_bound(BoundRule *r, bool centred)
{
    double c = (double)r->cols;
    for (size_t row = 0; row < r->size / r->cols; row++) {
        const float *x = r->x[0] + row * r->cols, *d = r->x[1] + row * r->cols, *b = r->b[1] + row * r->cols;
        Deviation s = deviation_of(r, row, centred);
        double m2 = 0, size1 = 0, size2 = 0, carried1 = 0, carried2 = 0, moved = 0;
        for (size_t i = 0; i < r->cols; i++) {
            double n = n_of(&s, x, i), dn = magnitude((double)d[i]);
            m2 += (double)d[i] * n / c;
            size1 += centred ? dn / c : 0;
            size2 += dn * (magnitude((double)x[i]) + s.size) / s.sd / c;
            carried1 += centred ? (double)b[i] / c : 0;
            carried2 += magnitude(n) * (double)b[i] / c;
            moved += dn * n_off(r, &s, row, i) / c;
        }
        for (size_t i = 0; i < r->cols; i++) {
            double n = magnitude(n_of(&s, x, i)), wide = (magnitude((double)x[i]) + s.size) / s.sd;
            r->out[row * r->cols + i] = ((double)b[i] + carried1 + n * carried2 + n_off(r, &s, row, i) * magnitude(m2) + n * moved
                                         + U24 * (c + 10) * (size1 + wide * size2) + 3 * U24 * magnitude((double)d[i])) / s.sd
                                      + s.rel * magnitude((double)r->y[row * r->cols + i]);
        }
    }
}

static void layernorm_bound(BoundRule *r)    { forward_bound(r, true); }
static void rmsnorm_bound(BoundRule *r)      { forward_bound(r, false); }
static void layernorm_dx_bound(BoundRule *r) { backward_bound(r, true); }
static void rmsnorm_dx_bound(BoundRule *r)   { backward_bound(r, false); }

#define RULES "; zero is +0; a row that is not finite throughout, or 0/0, is NaN throughout"

const Op op_record_layernorm = {
    .name = "layernorm", .kind = CLASS_B, .inputs = "x", .floats = { [NORM_EPS] = "eps" },
    .shapes = "[N, C] -> [N, C]",
    .formula = "n[r,i] = RN((x[r,i] - mean(x[r])) / sqrt(var(x[r]) + eps)), var = mean((x - mean)^2)" RULES,
    .shape = norm_shape, .kernel = layernorm_kernel, .bound = layernorm_bound, .vjp = layernorm_vjp,
};

const Op op_record_rmsnorm = {
    .name = "rmsnorm", .kind = CLASS_B, .inputs = "x", .floats = { [NORM_EPS] = "eps" },
    .shapes = "[N, C] -> [N, C]",
    .formula = "n[r,i] = RN(x[r,i] / sqrt(mean(x[r]^2) + eps))" RULES,
    .shape = norm_shape, .kernel = rmsnorm_kernel, .bound = rmsnorm_bound, .vjp = rmsnorm_vjp,
};

/* The derivatives have no vjp, because no second derivative is needed. */
const Op op_record_layernorm_dx = {
    .name = "layernorm_dx", .kind = CLASS_B, .inputs = "x dn", .floats = { [NORM_EPS] = "eps" },
    .shapes = "[N, C], [N, C] -> [N, C]",
    .formula = "dx[r,i] = RN((dn[r,i] - mean(dn[r]) - n[r,i] mean(dn[r] n[r])) / sqrt(var(x[r]) + eps)), "
               "n the real layernorm of x" RULES,
    .shape = norm_shape, .kernel = layernorm_dx_kernel, .bound = layernorm_dx_bound,
};

const Op op_record_rmsnorm_dx = {
    .name = "rmsnorm_dx", .kind = CLASS_B, .inputs = "x dn", .floats = { [NORM_EPS] = "eps" },
    .shapes = "[N, C], [N, C] -> [N, C]",
    .formula = "dx[r,i] = RN((dn[r,i] - n[r,i] mean(dn[r] n[r])) / sqrt(mean(x[r]^2) + eps)), n the real rmsnorm of x" RULES,
    .shape = norm_shape, .kernel = rmsnorm_dx_kernel, .bound = rmsnorm_dx_bound,
};

Node *op_layernorm(Tape *t, Node *x, float eps)
{
    return tape_push(t, &op_record_layernorm, 1, &x, &(Attrs){ .f = { [NORM_EPS] = eps } });
}

Node *op_rmsnorm(Tape *t, Node *x, float eps)
{
    return tape_push(t, &op_record_rmsnorm, 1, &x, &(Attrs){ .f = { [NORM_EPS] = eps } });
}

Node *op_layernorm_dx(Tape *t, Node *x, Node *dn, float eps)
{
    return tape_push(t, &op_record_layernorm_dx, 2, (Node *[]){ x, dn }, &(Attrs){ .f = { [NORM_EPS] = eps } });
}

Node *op_rmsnorm_dx(Tape *t, Node *x, Node *dn, float eps)
{
    return tape_push(t, &op_record_rmsnorm_dx, 2, (Node *[]){ x, dn }, &(Attrs){ .f = { [NORM_EPS] = eps } });
}
