/* SPDX-License-Identifier: MIT */
/* ds_i = RN(p_i (dp_i - D)), D = sum_j dp_j p_j, from stored floats: class A.
 *
 * Tier 1 computes v = p_i (dp_i - D) in binary64, u = 2^-53. The products dp_j p_j are exact. Eight lanes of ceil(n/8)
 * terms and three more additions make a tree of height h = min(n - 1, ceil(n/8) + 2); empty lanes are zeros, which are
 * exact.
 *
 *     D                        |p_i| h u sum |dp_j p_j| (1 + 2^-20); the code takes 1 + 2^-10
 *     the difference           u |v|
 *     the product              u |v|
 *     the test itself          u |v|
 *     sum                      |p_i| h u sum + 3 u |v|,   4 u |v| is claimed
 *
 * Nothing overflows or underflows, because all |terms| lie in 2^-447 … 2^408. If the test does not decide, the result
 * is p_i times the exact dp_i - D, a number of at most 580 bits, rounded once. D is summed once for each row, so that a
 * row without any decided element (all dp_j are equal) costs n steps, not n^2. */
#include "tensor/exact/exact.h"
#include "tensor/exact/simd.h"
#include "tensor/ops/softmax.h"

SIMD v8d load(const float *x, size_t k, size_t n)
{
    return k + LANES <= n ? simd_load(x + k) : simd_load_part(x + k, n - k, 0);
}

/* The exact tier of a row. -D is computed when the first element needs it. */
typedef struct {
    const float *p, *dp;
    size_t n;
    bool   summed;
    Exact  minus_dot;
} ExactRow;

static float grad_exact(ExactRow *row, size_t i)
{
    if (!row->summed) {
        row->minus_dot = exact_zero();
        for (size_t j = 0; j < row->n; j++)
            exact_add_product(&row->minus_dot, -row->dp[j], row->p[j]);
        row->summed = true;
    }
    Exact difference = row->minus_dot, s = exact_zero();
    exact_add(&difference, row->dp[i]);
    exact_add_multiple(&s, &difference, row->p[i]);
    return exact_round(&s);
}

/* Decides one element. If an operand is not finite, IEEE 754 gives the result of the formula, and the order does not
 * matter. */
static float grad_one(ExactRow *row, size_t i, double dot)
{
    double v = row->p[i] * (row->dp[i] - dot);
    return v - v != 0 ? float_canonical((float)v) : grad_exact(row, i);
}

/* (The lanes are passed in memory, because a clone for another processor passes vectors in other registers.) */
static void grad_some(ExactRow *row, size_t k, const v8i *lanes, double dot, float *ds)
{
    int32_t fails[LANES];
    memcpy(fails, lanes, sizeof fails);
    for (size_t i = k; i < row->n && i < k + LANES; i++)
        if (fails[i - k])
            ds[i] = grad_one(row, i, dot);
}

CLONES static void grad_row(const float *p, const float *dp, size_t n, float *ds, bool force)
{
    v8d dots = simd_set(0), abs_dots = simd_set(0);
    for (size_t k = 0; k < n; k += LANES) {
        v8d t = load(p, k, n) * load(dp, k, n);
        dots += t;
        abs_dots += simd_abs(t);
    }
    size_t lane = (n + LANES - 1) / LANES + 2, height = n - 1 < lane ? n - 1 : lane;
    // minus_dot is not cleared here, but in grad_exact, because rows are many and short
    ExactRow exact;
    exact.p = p;
    exact.dp = dp;
    exact.n = n;
    exact.summed = false;
    double dot = simd_sum(dots), error = HEIGHT_U((double)height, softmax_grad_dot) * (1 + 0x1p-10) * simd_sum(abs_dots);

    for (size_t k = 0; k < n; k += LANES) {
        v8d a = load(p, k, n), v = a * (load(dp, k, n) - dot);
        v8f y;
        v8i fails = simd_round_fails(v, simd_abs(a) * error + simd_abs(v) * IN_U(softmax_grad), &y) | -force;
        simd_store_part(ds + k, n - k, y + 0.0f);
        if (simd_any(fails))
            grad_some(&exact, k, &fails, dot, ds);
    }
}

void softmax_grad_row(const float *p, const float *dp, size_t n, float *ds)
{
    if (n)
        grad_row(p, dp, n, ds, tier_force != 0);
}
