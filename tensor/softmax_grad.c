/* SPDX-License-Identifier: MIT */
/* ds_i = RN(p_i (dp_i - D)), D = sum_j dp_j p_j, from stored floats: class A.
 *
 * Fast: the products are exact doubles; eight lanes of ceil(n/8) terms and three more additions make
 * a tree of height h = min(n - 1, ceil(n/8) + 2) (empty lanes are zeros, which are exact), so D errs by
 * at most h u sum |dp_j p_j| (1 + 2^-20); the difference and the product by u each. With the
 * rounding of v +- e that is |p_i| h u sum + 4 u |v|. Nothing overflows or underflows: |terms| are in
 * 2^-447 … 2^408. Otherwise: the exact sum of p_i dp_i and the n products p_i dp_j p_j. */
#include "tensor/exact.h"
#include "tensor/simd.h"
#include "tensor/softmax.h"

SIMD v8d load(const float *x, size_t k, size_t n)
{
    return k + LANES <= n ? simd_load(x + k) : simd_load_part(x + k, n - k, 0);
}

static float grad_exact(const float *p, const float *dp, size_t n, size_t i)
{
    Exact s = exact_zero();
    exact_add_product(&s, p[i], dp[i]);
    for (size_t j = 0; j < n; j++)
        if (p[j] != 0)
            exact_add_product3(&s, dp[j], p[j], -p[i]);
    return exact_round(&s);
}

/* An operand that is not finite: the formula as IEEE 754 takes it, the same in any order. */
static float grad_one(const float *p, const float *dp, size_t n, size_t i, double dot)
{
    double v = p[i] * (dp[i] - dot);
    return v - v != 0 ? float_canonical((float)v) : grad_exact(p, dp, n, i);
}

/* (Lanes come in memory: vectors are passed differently by a clone and by what is not one.) */
static void grad_some(const float *p, const float *dp, size_t n, size_t k, const v8i *lanes, double dot, float *ds)
{
    int32_t fails[LANES];
    memcpy(fails, lanes, sizeof fails);
    for (size_t i = k; i < n && i < k + LANES; i++)
        if (fails[i - k])
            ds[i] = grad_one(p, dp, n, i, dot);
}

CLONES static void grad_row(const float *p, const float *dp, size_t n, float *ds, bool force)
{
    v8d dots = simd_set(0), sizes = simd_set(0);
    for (size_t k = 0; k < n; k += LANES) {
        v8d t = load(p, k, n) * load(dp, k, n);
        dots += t;
        sizes += simd_abs(t);
    }
    size_t lane = (n + LANES - 1) / LANES + 2, height = n - 1 < lane ? n - 1 : lane;
    double dot = simd_sum(dots), error = (double)height * (1 + 0x1p-10) * 0x1p-53 * simd_sum(sizes);

    for (size_t k = 0; k < n; k += LANES) {
        v8d a = load(p, k, n), v = a * (load(dp, k, n) - dot);
        v8f y;
        v8i fails = simd_round_fails(v, simd_abs(a) * error + simd_abs(v) * 0x1p-51, &y) | -force;
        simd_store_part(ds + k, n - k, y + 0.0f);
        if (simd_any(fails))
            grad_some(p, dp, n, k, &fails, dot, ds);
    }
}

void softmax_grad_row(const float *p, const float *dp, size_t n, float *ds)
{
    if (n)
        grad_row(p, dp, n, ds, tier_force != 0);
}
