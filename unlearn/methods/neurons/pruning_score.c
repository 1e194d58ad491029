/* SPDX-License-Identifier: MIT */
/* The scores and the order of neurons for MANU, in binary64. pruning.h states the formulas. */
#include <math.h>
#include <string.h>
#include "unlearn/methods/neurons/pruning.h"

#define EPS 1e-8
#define PORT_EPS 1e-6
#define RATIO_EPS 1e-5

void manu_add(ManuSums *s, const float *z, size_t rows, size_t channels, size_t k, ManuCount c)
{
    for (size_t r = 0; r < rows; r++) {
        double x = z[r * channels + k];
        if (c.most > 0)
            x = x > c.most ? c.most : x < -c.most ? -c.most : x;
        s->absolute += fabs(x);
        s->square += x * x;
        s->sum += x;
        s->active += (c.positive ? x : fabs(x)) > c.tau;
    }
    s->rows += (double)rows;
}

static double above_zero(double x) { return x < 0 ? 0 : x; }

/* Q/n - (S/n)(S/n) over n rows; 0 without rows. */
static double variance(const ManuSums *s)
{
    double n = s->rows > 0 ? s->rows : 1, mean = s->sum / n;
    return above_zero(s->square / n - mean * mean);
}

/* (Q - S (S/n))/(n - 1); 0 with fewer than two rows. */
static double unbiased_variance(const ManuSums *s)
{
    return s->rows < 2 ? 0 : above_zero((s->square - s->sum * (s->sum / s->rows)) / (s->rows - 1));
}

static double contrast(double picture, double text, double eps)
{
    return fabs(picture - text) / (picture + text + eps);
}

double manu_importance(const ManuSums *m, const ManuSums *t)
{
    const double nm = m->rows > 0 ? m->rows : 1, nt = t->rows > 0 ? t->rows : 1;
    return contrast(m->absolute / nm, t->absolute / nt, EPS) + contrast(m->active / nm, t->active / nt, EPS)
         + sqrt(variance(m) + variance(t)) + sqrt(contrast(m->square / nm, t->square / nt, EPS));
}

double manu_port_importance(const ManuSums *m, const ManuSums *t)
{
    const double nm = m->rows > 0 ? m->rows : 1, nt = t->rows > 0 ? t->rows : 1;
    return contrast(m->sum / nm, t->sum / nt, PORT_EPS) + contrast(m->active, t->active, PORT_EPS)
         + sqrt(unbiased_variance(m) + unbiased_variance(t)) + sqrt(contrast(m->square / nm, t->square / nt, PORT_EPS));
}

double manu_score(const ManuSums forget[2], const ManuSums retain[2])
{
    return manu_importance(&forget[0], &forget[1]) / (manu_importance(&retain[0], &retain[1]) + EPS);
}

double manu_port_score(const ManuSums forget[2], const ManuSums retain[2])
{
    return manu_port_importance(&forget[0], &forget[1]) / (manu_port_importance(&retain[0], &retain[1]) + PORT_EPS);
}

void manu_group(ManuMeans *m, const ManuSums *s, bool unbiased)
{
    m->absolute += s->absolute / s->rows;
    m->deviation += sqrt(unbiased ? unbiased_variance(s) : variance(s));
    m->rms += sqrt(s->square / s->rows);
    m->groups += 1;
}

static double gain(double forget, double forget_groups, double retain, double retain_groups)
{
    return 2 * (forget / forget_groups / (retain / retain_groups + RATIO_EPS) - 1);
}

double manu_ratio(const ManuMeans *f, const ManuMeans *r)
{
    return gain(f->absolute, f->groups, r->absolute, r->groups) + gain(f->deviation, f->groups, r->deviation, r->groups)
         + gain(f->rms, f->groups, r->rms, r->groups);
}

/* Merges two sorted runs of `from` into `to`: the higher score first, and of equal scores the lower index. */
static void merge_runs(const double *score, const uint32_t *from, uint32_t *to, size_t begin, size_t middle, size_t end)
{
    size_t a = begin, b = middle;
    for (size_t k = begin; k < end; k++)
        to[k] = a < middle && (b >= end || score[from[a]] >= score[from[b]]) ? from[a++] : from[b++];
}

bool scores_rank(const double *score, size_t n, uint32_t *order, Arena *a)
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

bool manu_threshold(const double *score, size_t n, size_t k, double *threshold, Arena *a)
{
    uint32_t *order = arena_array(a, n, sizeof *order);
    if (!order || !scores_rank(score, n, order, a))
        return false;
    *threshold = score[order[k - 1]];
    return true;
}
