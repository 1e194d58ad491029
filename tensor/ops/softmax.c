/* SPDX-License-Identifier: MIT */
/* The first tier of a row of softmax: eight doubles at a time, a bound, and the rounding test.
 *
 * Let top be the largest logit and d_j = x_j - top. T is the sum of e^d_j over all j but one for which d_j = 0.
 * Then
 *     p_v = e^d_v / (1 + T)        l_v = d_v - log(1 + T).
 *
 * Bounds are relative, in u = 2^-53. The sum of n positive terms is made in eight lanes: CHUNK terms are added, and
 * then the sums of the chunks. Its error is its height h = min(n, CHUNK)/8 + n/CHUNK + 3.
 *
 *     p = e^d_v / S, S = 1 + T                     l = d_v - log(1 + T)
 *     d_v: |d_v| <= 104 where it matters  104      d_j of T: |d_j| <= 130 where it matters   130
 *     exp_core                              4      exp_core                                    4
 *     S: each term, 104 + 4               108      the sum T                                   h
 *     S: the additions                  h + 1      log(1 + T), and 1 + T rounded if T > 1     10
 *     1/S and the product                   2      d_v and the difference                      2
 *     the test                              3      the test                                    3
 *     sum                             222 + h      sum                                   149 + h
 *     claimed                         224 + h      claimed                               160 + h
 *
 * |d| is bounded where it matters. A p below e^-104 < 2^-150 rounds to 0, and such a term does not change 1 + T. T
 * itself matters down to 2^-151, and n <= 2^24 terms of e^-130 are one part in 5000 of that. The test multiplies by
 * 1 - bound and 1 + bound, which costs 1 + 1 for the constants and 1 for the product. d is clamped at -600, so that
 * masked logits and empty lanes add 2^-865, which is too small to matter. */
#include "tensor/base/team.h"
#include "tensor/exact/exp_log.h"
#include "tensor/ops/softmax.h"

enum { CHUNK = 1024 };

/* --- Scratch --- */

SoftmaxScratch softmax_scratch(const Call *c, size_t cols)
{
    SoftmaxScratch scratch = { .stride = (cols + LANES - 1) / LANES * LANES, .mark = arena_mark(c->scratch) };
    size_t threads = team_size();
    scratch.all = arena_array(c->scratch, threads * scratch.stride, sizeof *scratch.all);
    return scratch;
}

double *softmax_scratch_of(const SoftmaxScratch *scratch, size_t worker) { return scratch->all + worker * scratch->stride; }

void softmax_scratch_release(const Call *c, const SoftmaxScratch *scratch)
{
    arena_release(c->scratch, scratch->mark);
}

void softmax_undecided(const Call *c, const float *x, size_t n, size_t row, size_t column)
{
    float top = -INFINITY;
    for (size_t j = 0; j < n; j++)
        top = x[j] > top ? x[j] : top;
    error_set_kind(c->error, ERROR_UNDECIDED, "%s: row %zu, column %zu of %zu, logit %a where the largest is %a: "
              "double-double left two floats, expected one", c->op->name, row, column, n, (double)x[column], (double)top);
}

/* --- Pieces of a row --- */

SIMD v8d load(const float *x, size_t k, size_t n)
{
    return k + LANES <= n ? simd_load(x + k) : simd_load_part(x + k, n - k, -INFINITY);
}

SIMD void store(float *y, size_t k, size_t n, v8f f)
{
    if (k + LANES <= n)
        simd_store(y + k, f);
    else
        simd_store_part(y + k, n - k, f);
}

/* The largest logit; NaN for a row without a softmax, which holds a NaN or +inf, or nothing but -inf. */
SIMD double row_top(const float *x, size_t n)
{
    v8d top = simd_set(-INFINITY);
    v8l bad = { 0 };
    for (size_t k = 0; k < n; k += LANES) {
        v8d v = load(x, k, n);
        top = simd_max(v, top);
        bad |= (v8l)(v != v);
    }
    double best = top[0];
    int64_t any = bad[0];
    for (size_t k = 1; k < LANES; k++) {
        best = top[k] > best ? top[k] : best;
        any |= bad[k];
    }
    return any || best - best != 0 ? (double)NAN : best;
}

SIMD v8d shifted(const float *x, size_t k, size_t n, double top) { return load(x, k, n) - top; }

/* Sets e[j] to e^d_j and returns their sum. */
SIMD double row_powers(const float *x, size_t n, double top, double *e)
{
    v8d sum = simd_set(0);
    for (size_t begin = 0; begin < n; begin += CHUNK) {
        v8d part = simd_set(0);
        for (size_t k = begin; k < n && k < begin + CHUNK; k += LANES) {
            v8d y = exp_core(simd_max(shifted(x, k, n, top), simd_set(-600)));
            memcpy(e + k, &y, sizeof y);
            part += y;
        }
        sum += part;
    }
    return simd_sum(sum);
}

/* log(1 + T). T is summed without x[at], the largest logit, so that a small T keeps its digits. */
SIMD double row_log(const float *x, size_t n, double top, size_t at, double *e)
{
    row_powers(x, n, top, e);
    e[at] = 0;
    v8d sum = simd_set(0);
    for (size_t begin = 0; begin < n; begin += CHUNK) {
        v8d part = simd_set(0);
        for (size_t k = begin; k < n && k < begin + CHUNK; k += LANES) {
            v8d y;
            memcpy(&y, e + k, sizeof y);
            part += y;
        }
        sum += part;
    }
    v8d t = simd_set(simd_sum(sum));
    return (t[0] <= 1 ? log1p_core(t) : log_core(1 + t))[0];
}

static size_t index_of(const float *x, double top)
{
    size_t at = 0;
    while (x[at] != top)
        at++;
    return at;
}

static double height(size_t n)
{
    return (double)(n < CHUNK ? n : CHUNK) / LANES + (double)n / CHUNK + 3;
}

/* Reports eight estimates with a relative bound to the probe (bounds.h). */
SIMD void probe_relative(v8d v, double e)
{
#ifdef PULSE_PROBE
    double at[LANES], bounds[LANES];
    for (int k = 0; k < LANES; k++)
        at[k] = v[k], bounds[k] = fabs(v[k]) * e;
    probe_estimates(1, at, NULL, bounds, LANES);
#else
    (void)v, (void)e;
#endif
}

typedef bool Decide(UndecidedRow *row, size_t v, float *y);

/* Asks the later tiers for the lanes that failed. Returns the first column that they do not decide, or n. (The lanes
 * are passed in memory, because a clone for another processor passes vectors in other registers.) */
static size_t settle(UndecidedRow *row, size_t k, const v8i *lanes, Decide *undecided, float *y)
{
    int32_t fails[LANES];
    memcpy(fails, lanes, sizeof fails);
    for (size_t v = k; v < row->n && v < k + LANES; v++)
        if (fails[v - k]) {
            if (!undecided(row, v, y + v))
                return v;
            y[v] += 0.0f;
        }
    return row->n;
}

static void fill(float *y, size_t n, float value)
{
    for (size_t k = 0; k < n; k++)
        y[k] = value;
}

/* --- Rows --- */

CLONES static size_t row_softmax(const float *x, size_t n, double *scratch, float *p)
{
    double top = row_top(x, n);
    if (top != top) {
        fill(p, n, float_nan());
        return n;
    }
    double inverse = 1 / row_powers(x, n, top, scratch), e = HEIGHT_U(height(n), softmax), below = 1 - e, above = 1 + e;
    UndecidedRow undecided = { .n = 0 };
    for (size_t k = 0; k < n; k += LANES) {
        v8d v;
        memcpy(&v, scratch + k, sizeof v);
        v *= inverse;
        probe_relative(v, e);
        v8f y = simd_round(v * below);
        v8i fails = (v8i)(y != simd_round(v * above)) | -(tier_force != 0);
        store(p, k, n, y);
        if (!simd_any(fails))
            continue;
        if (undecided.n == 0)
            undecided = (UndecidedRow){ .x = x, .n = n, .at = index_of(x, top) };
        size_t open = settle(&undecided, k, &fails, softmax_decide, p);
        if (open < n)
            return open;
    }
    return n;
}

CLONES static size_t row_log_softmax(const float *x, size_t n, double *scratch, float *l)
{
    double top = row_top(x, n);
    if (top != top) {
        fill(l, n, float_nan());
        return n;
    }
    UndecidedRow undecided = { .x = x, .n = n, .at = index_of(x, top) };
    double log = row_log(x, n, top, undecided.at, scratch), e = HEIGHT_U(height(n), log_softmax), below = 1 - e, above = 1 + e;
    for (size_t k = 0; k < n; k += LANES) {
        v8d v = shifted(x, k, n, top) - log;
        probe_relative(v, e);
        v8f y = simd_round(v * below);
        v8i fails = (v8i)(y != simd_round(v * above)) | -(tier_force != 0);
        store(l, k, n, y + 0.0f);
        if (!simd_any(fails))
            continue;
        size_t open = settle(&undecided, k, &fails, log_softmax_decide, l);
        if (open < n)
            return open;
    }
    return n;
}

CLONES static size_t row_nll(const float *x, size_t n, size_t y, double *scratch, float *nll)
{
    double top = row_top(x, n);
    if (top != top) {
        *nll = float_nan();
        return n;
    }
    UndecidedRow undecided = { .x = x, .n = n, .at = index_of(x, top) };
    double v = row_log(x, n, top, undecided.at, scratch) - ((double)x[y] - top), e = HEIGHT_U(height(n), log_softmax);
    PROBE(1, v, 0, fabs(v) * e);
    *nll = (float)(v * (1 - e));
    if (*nll == (float)(v * (1 + e)) && tier_force == 0)
        return n;
    if (!log_softmax_decide(&undecided, y, nll))
        return y;
    *nll = -*nll + 0.0f;
    return n;
}

/* --- The exported functions. They are wrappers, because clang 14 cannot export a clone. --- */

size_t softmax_row(const float *x, size_t n, double *scratch, float *p)
{
    return row_softmax(x, n, scratch, p);
}

size_t log_softmax_row(const float *x, size_t n, double *scratch, float *l)
{
    return row_log_softmax(x, n, scratch, l);
}

size_t nll_row(const float *x, size_t n, size_t y, double *scratch, float *nll)
{
    return row_nll(x, n, y, scratch, nll);
}
