/* SPDX-License-Identifier: MIT */
/* The score and the order of neurons for MANU (pruning.h), in IEEE binary64 on the host. */
#include <math.h>
#include <string.h>
#include "unlearn/methods/pruning.h"

#define EPS 1e-8

void manu_add(ManuSums *s, const float *z, size_t rows, size_t channels, size_t k, double tau)
{
    for (size_t r = 0; r < rows; r++) {
        double x = z[r * channels + k];
        s->absolute += fabs(x);
        s->square += x * x;
        s->sum += x;
        s->active += fabs(x) > tau;
    }
    s->rows += (double)rows;
}

double manu_importance(const ManuSums *m, const ManuSums *t)
{
    double a[2], q[2], f[2], var[2];
    const ManuSums *both[2] = { m, t };
    for (int k = 0; k < 2; k++) {
        const ManuSums *s = both[k];
        double n = s->rows > 0 ? s->rows : 1, mean = s->sum / n;
        a[k] = s->absolute / n;
        q[k] = s->square / n;
        f[k] = s->active / n;
        var[k] = q[k] - mean * mean;
        if (var[k] < 0)
            var[k] = 0;
    }
    return fabs(a[0] - a[1]) / (a[0] + a[1] + EPS) + fabs(f[0] - f[1]) / (f[0] + f[1] + EPS) + sqrt(var[0] + var[1])
         + sqrt(fabs(q[0] - q[1]) / (q[0] + q[1] + EPS));
}

double manu_score(const ManuSums forget[2], const ManuSums retain[2])
{
    return manu_importance(&forget[0], &forget[1]) / (manu_importance(&retain[0], &retain[1]) + EPS);
}

/* Merges two ascending runs of `order`: higher score first, then the lower index. */
static void merge_runs(const double *score, const uint32_t *from, uint32_t *to, size_t begin, size_t middle, size_t end)
{
    size_t a = begin, b = middle;
    for (size_t k = begin; k < end; k++)
        to[k] = a < middle && (b >= end || score[from[a]] >= score[from[b]]) ? from[a++] : from[b++];
}

bool manu_rank(const double *score, size_t n, uint32_t *order, Arena *a)
{
    uint32_t *from = order, *to = arena_array(a, n, sizeof *to);
    if (!to)
        return false;
    for (size_t k = 0; k < n; k++)
        order[k] = (uint32_t)k;
    for (size_t run = 1; run < n; run *= 2) {
        for (size_t k = 0; k < n; k += 2 * run)
            merge_runs(score, from, to, k, k + run < n ? k + run : n, k + 2 * run < n ? k + 2 * run : n);
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != order)
        memcpy(order, from, n * sizeof *order);
    return true;
}
