/* SPDX-License-Identifier: MIT */
/* What methods do to weights, gradients and scores, with their known mistakes. Each result is computed in binary64, by
 * a formula that shares no code with the method. */
#include <math.h>
#include <string.h>
#include "tests/support/wrong/wrong_case.h"

int32_t *wrong_ids(const Case *c, const char *name, Shape shape)
{
    Tensor t = { .shape = shape, .dtype = I32, .i32 = arena_zalloc(c->w->arena, shape_size(shape) * sizeof(int32_t)) };
    wrong_tensor(c->w, c->id, c->flag, name, t);
    return c->w->error->failed ? NULL : t.i32;
}

void choose(const double *score, size_t n, size_t k, bool ties, int32_t *y)
{
    for (size_t i = 0; y && i < n; i++) {
        size_t before = 0;
        for (size_t j = 0; j < n; j++)
            before += score[j] > score[i] || (!ties && score[j] == score[i] && j < i);
        y[i] = before < k;
    }
}

void wrong_cases(Wrong *w, const WrongCase *list, size_t n)
{
    for (size_t k = 0; k < n && !w->error->failed; k++) {
        const char *flags = list[k].flags, *flag;
        Case c = { .w = w, .id = list[k].id, .in = wrong_open(w, list[k].id) };
        while (!w->error->failed && (flag = wrong_flag(w, &flags))) {
            c.flag = flag;
            list[k].make(&c);
        }
    }
}

static double norm(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

/* The right rule zeroes a change f if f and the anchor a have opposite signs, and |f| > limit |a|. The limit is 5 rho,
 * where rho is the ratio of the norms of f and a. SculptTies zeroes it if |f| = limit |a|, too. SculptSameSign zeroes
 * changes that have the sign of the anchor. SculptInverse zeroes changes below the limit. The limit of
 * SculptWithoutFactor lacks the factor, that of SculptWithoutScale lacks rho, and that of SculptScaleInverse has 1 /
 * rho. */
static void sculpt(const Case *c)
{
    size_t n;
    const float *f = floats(c, "change.forget", &n), *a = floats(c, "change.anchor", NULL);
    float *y = wrong_answer(c->w, c->id, c->flag, "sculpted", shape_of(1, n));
    const double rho = is(c, "SculptWithoutScale")   ? 1
                     : is(c, "SculptScaleInverse") ? norm(a, n) / norm(f, n)
                                                   : norm(f, n) / norm(a, n),
                 limit = (is(c, "SculptWithoutFactor") ? 1 : 5) * rho;
    for (size_t i = 0; y && i < n; i++) {
        const double product = (is(c, "SculptSameSign") ? -1 : 1) * (double)f[i] * (double)a[i],
                     over = (is(c, "SculptInverse") ? -1 : 1) * (fabs((double)f[i]) - limit * fabs((double)a[i]));
        y[i] = product < 0 && (over > 0 || (over == 0 && is(c, "SculptTies"))) ? 0 : f[i];
    }
}

/* The form open_mm adds two changes, that of text and that of pictures, with a limit for each. SculptTextFactor: the
 * change of text has the factor of the pictures, 5 instead of 10. SculptMissing: nothing is zeroed. */
static void sculpt_both(const Case *c)
{
    size_t n;
    const float *before = floats(c, "before", &n), *a = floats(c, "change.anchor", NULL);
    float *y = wrong_answer(c->w, c->id, c->flag, "weight", shape_of(1, n));
    for (size_t i = 0; y && i < n; i++) {
        y[i] = before[i];
        for (int text = 0; text < 2; text++) {
            const float *f = floats(c, text ? "change.text" : "change.picture", NULL);
            const double limit = (text && !is(c, "SculptTextFactor") ? 10 : 5) * norm(f, n) / norm(a, n) * fabs((double)a[i]),
                         size = fabs((double)f[i]);
            const bool over = size > limit || (size == limit && is(c, "SculptTies"));
            y[i] += (double)f[i] * (double)a[i] < 0 && over && !is(c, "SculptMissing") ? 0 : f[i];
        }
    }
}

/* The right mask selects the weights whose ratio r = F_forget / F_preserved is at least the threshold. In the case
 * "both" eps is added to numerator and denominator, and the threshold is 1. In the case "below" eps is added only to
 * the denominator, and the threshold is 0.5. MaskStrict leaves out ratios that equal the threshold. MaskInverse selects
 * only ratios below it. FisherEpsMissing: 0/0 is NaN, and is not selected. FisherEpsBoth: in the case "below", eps is
 * added to the numerator as well. FisherThresholdMissing: in the case "below", the threshold is 1. */
static void mask(const Case *c)
{
    size_t n;
    const bool below = strstr(c->id, "below") != NULL;
    const float *f = floats(c, "fisher.forget", &n), *p = floats(c, "fisher.preserved", NULL);
    const double eps = is(c, "FisherEpsMissing") ? 0 : 1e-15, above = below && !is(c, "FisherEpsBoth") ? 0 : eps,
                 threshold = below && !is(c, "FisherThresholdMissing") ? 0.5 : 1;
    int32_t *y = wrong_ids(c, "mask", shape_of(1, n));
    for (size_t i = 0; y && i < n; i++) {
        const double r = ((double)f[i] + above) / ((double)p[i] + eps);
        y[i] = is(c, "MaskStrict") ? r > threshold : is(c, "MaskInverse") ? r < threshold : r >= threshold;
    }
}

/* The largest number, plus cmju's eps. */
static double largest(const float *x, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, (double)x[i]);
    return most + 1e-12;
}

/* SalientTies takes both of two equal tensors; SaliencyUnscaled does not divide by the largest saliency of each
 * modality; MarginMissing shares only tensors in whose saliency text and pictures have equal shares (r = 1/2);
 * GroupsSwapped exchanges the groups of text and of pictures. */
static void cmju_groups(const Case *c)
{
    size_t n;
    const float *t = floats(c, "saliency.text", &n), *m = floats(c, "saliency.picture", NULL);
    const bool scaled = !is(c, "SaliencyUnscaled"), swapped = is(c, "GroupsSwapped");
    const double by_t = scaled ? largest(t, n) : 1, by_m = scaled ? largest(m, n) : 1, margin = is(c, "MarginMissing") ? 0 : (double)0.15f;
    double both[MOST];
    int32_t on[MOST], *y = wrong_ids(c, "group", shape_of(1, n));
    for (size_t i = 0; i < n; i++)
        both[i] = (double)t[i] / by_t + (double)m[i] / by_m;
    choose(both, n, (size_t)((double)n * 0.6), is(c, "SalientTies"), on);
    for (size_t i = 0; y && i < n; i++) {
        const double r = (double)t[i] / by_t / (both[i] + 1e-12);
        y[i] = !on[i] ? 0 : r > 0.5 + margin ? (swapped ? 3 : 2) : r < 0.5 - margin ? (swapped ? 2 : 3) : 1;
    }
}

/* The norm over the tensors of group `which` or, for 0, of all groups but 0. The groups: 0 not salient, 1 shared, 2
 * text, 3 pictures. */
static double norm_of(const double (*x)[4], const int32_t *group, size_t n, int32_t which)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < 4; k++)
            sum += (which ? group[i] == which : group[i] > 0) ? x[i][k] * x[i][k] : 0;
    return sqrt(sum);
}

/* SharedOnce: the factor of shared tensors is 1. BalanceMissing: the groups keep their norms. BalanceAlways: groups
 * of fewer than five tensors are balanced too. PictureUnscaled: q = 1, where q scales the gradient of the pictures to
 * the norm of that of the text. TextScaled: the gradient of the text is scaled to the norm of the pictures.
 * FrozenMoves: tensors that are not salient get a gradient too. */
static void cmju_forget(const Case *c)
{
    const size_t n = in(c, "group")->shape.dim[0];
    const float *given_t = floats(c, "gradient.text", NULL), *given_m = floats(c, "gradient.picture", NULL);
    const int32_t *group = in(c, "group")->i32;
    double t[MOST][4], m[MOST][4], g[MOST][4];
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < 4; k++)
            t[i][k] = (double)given_t[4 * i + k], m[i][k] = (double)given_m[4 * i + k];
    const double all_t = norm_of((const double (*)[4])t, group, n, 0), all_m = norm_of((const double (*)[4])m, group, n, 0),
                 q = is(c, "PictureUnscaled") ? 1 : all_t / all_m;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < 4; k++) {
            const double x = is(c, "TextScaled") ? t[i][k] / q + m[i][k] : t[i][k] + q * m[i][k];
            g[i][k] = group[i] == 0 && !is(c, "FrozenMoves") ? 0 : (group[i] == 1 && !is(c, "SharedOnce") ? 2 : 1) * x;
        }
    const double norms[4] = { 1, 1, norm_of((const double (*)[4])g, group, n, 2), norm_of((const double (*)[4])g, group, n, 3) },
                 target = (norms[2] + norms[3]) / 2;
    const bool balanced = strstr(c->id, "few") ? is(c, "BalanceAlways") : !is(c, "BalanceMissing");
    float *y = wrong_answer(c->w, c->id, c->flag, "gradient", shape_of(2, n, (size_t)4));
    for (size_t i = 0; y && i < n; i++)
        for (size_t k = 0; k < 4; k++)
            y[4 * i + k] = (float)(g[i][k] * (group[i] < 2 || !balanced ? 1 : 1 + 0.5 * (target / norms[group[i]] - 1)));
}

/* The product x y^T of matrices [2, 3], or x^T y. */
static void product(const double x[6], const double y[6], bool transposed, double out[9])
{
    const size_t n = transposed ? 3 : 2;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            out[i * n + j] = 0;
            for (size_t k = 0; k < 5 - n; k++)
                out[i * n + j] += transposed ? x[3 * k + i] * y[3 * k + j] : x[3 * i + k] * y[3 * j + k];
        }
}

/* The right overlap is lambda = 0.5 times the sum of the squares of P = A A_j^T over the earlier adapters A_j, and its
 * gradient is lambda times the sum of 2 P A_j. OverlapAbsolute adds absolute values instead of squares: sign(P) A_j in
 * the gradient. OverlapOfSum has the sum of the earlier adapters as its only A_j. OverlapTransposed takes Q = A_j^T A
 * instead of P: 2 A_j Q in the gradient. */
static void o3_overlap(const Case *c)
{
    const float *given[3] = { floats(c, "a", NULL), floats(c, "earlier.1", NULL), floats(c, "earlier.2", NULL) };
    double x[3][6], p[9], value = 0, g[6] = { 0 };
    const bool absolute = is(c, "OverlapAbsolute"), merged = is(c, "OverlapOfSum"), transposed = is(c, "OverlapTransposed");
    for (size_t j = 0; j < 3; j++)
        for (size_t k = 0; k < 6; k++)
            x[j][k] = (double)given[j][k] + (merged && j == 1 ? (double)given[2][k] : 0);
    for (size_t j = 1; j < (merged ? 2 : 3); j++) {
        product(transposed ? x[j] : x[0], transposed ? x[0] : x[j], transposed, p);
        for (size_t i = 0; i < (transposed ? 9 : 4); i++)
            value += absolute ? fabs(p[i]) : p[i] * p[i];
        for (size_t i = 0; i < 6; i++)
            for (size_t k = 0; k < (transposed ? 3 : 2); k++) {
                const double q = transposed ? p[3 * k + i % 3] : p[2 * (i / 3) + k];
                g[i] += (absolute ? (q > 0) - (q < 0) : 2 * q) * x[j][transposed ? 3 * (i / 3) + k : 3 * k + i % 3];
            }
    }
    float *y = wrong_answer(c->w, c->id, c->flag, "overlap", shape_of(0)),
          *dy = wrong_answer(c->w, c->id, c->flag, "grad.a", shape_of(2, (size_t)2, (size_t)3));
    for (size_t i = 0; y && dy && i < 6; i++) {
        *y = (float)(0.5 * value);
        dy[i] = (float)(0.5 * g[i]);
    }
}

void wrong_weights(Wrong *w)
{
    static const WrongCase list[] = {
        { "weights/smfa.sculpt",
          "SculptTies SculptSameSign SculptWithoutFactor SculptWithoutScale SculptScaleInverse SculptInverse", sculpt },
        { "weights/smfa.open_mm", "SculptTies SculptMissing SculptTextFactor", sculpt_both },
        { "weights/mmunlearner.both", "MaskStrict MaskInverse FisherEpsMissing", mask },
        { "weights/mmunlearner.below", "FisherEpsBoth FisherThresholdMissing", mask },
        { "weights/cmju.groups", "SalientTies SaliencyUnscaled MarginMissing GroupsSwapped", cmju_groups },
        { "weights/cmju.forget", "SharedOnce BalanceMissing PictureUnscaled TextScaled FrozenMoves", cmju_forget },
        { "weights/cmju.few", "SharedOnce PictureUnscaled BalanceAlways", cmju_forget },
        { "weights/o3.overlap", "OverlapAbsolute OverlapOfSum OverlapTransposed", o3_overlap },
    };
    wrong_cases(w, list, sizeof list / sizeof *list);
    wrong_neurons(w);
}
