/* SPDX-License-Identifier: MIT */
/* Which neurons manu prunes and mip_editor puts on its path, with their known mistakes. Each result is computed in
 * binary64, by a formula that shares no code with the method. */
#include <math.h>
#include "tests/support/wrong/wrong_case.h"

/* The moments of a channel: the means of |z| (or of z) and of z^2, the share of rows with |z| > 0.1, the variance, and
 * the number of rows. */
typedef struct { double mean, mean_square, active, variance, rows; } Moments;

static Moments moments(const Case *c, const char *name, size_t channel, bool is_signed)
{
    const Tensor *t = in(c, name);
    const size_t rows = t->shape.dim[0], cols = t->shape.dim[1];
    Moments m = { .rows = (double)rows };
    double sum = 0;
    for (size_t r = 0; r < rows; r++) {
        const double z = (double)t->f32[r * cols + channel];
        sum += z / m.rows;
        m.mean += (is_signed ? z : fabs(z)) / m.rows;
        m.mean_square += z * z / m.rows;
        m.active += (fabs(z) > 0.1) / m.rows;
    }
    m.variance = m.mean_square - sum * sum;
    return m;
}

static double contrast(double m, double t) { return fabs(m - t) / (m + t + 1e-8); }

static double importance(const Case *c, const char *set, size_t channel)
{
    const bool is_signed = is(c, "MeanSigned");
    const Moments m = moments(c, arena_format(c->w->arena, "%s.picture", set), channel, is_signed),
                  t = moments(c, arena_format(c->w->arena, "%s.text", set), channel, is_signed);
    return contrast(m.mean, t.mean) + contrast(m.active, t.active) + sqrt(m.variance + t.variance)
        + sqrt(contrast(m.mean_square, t.mean_square));
}

/* PruneTies prunes both of two equal neurons; PruneLowest prunes those with the lowest scores; MeanSigned
 * takes the mean of z instead of |z|. */
static void manu_paper(const Case *c)
{
    double score[MOST];
    const size_t n = in(c, "forget.text")->shape.dim[1];
    for (size_t i = 0; i < n; i++)
        score[i] = (is(c, "PruneLowest") ? -1 : 1) * importance(c, "forget", i) / (importance(c, "retain", i) + 1e-8);
    choose(score, n, n / 2, is(c, "PruneTies"), wrong_ids(c, "pruned", shape_of(1, n)));
}

/* PruneCount prunes exactly 2 channels, even if there are ties; RatioInverse exchanges the forget and the retain set;
 * DeviationOfSample divides the squared deviations by the number of rows less one. */
static void manu_ratio(const Case *c)
{
    double score[MOST];
    const size_t n = in(c, "forget")->shape.dim[1];
    const bool turned = is(c, "RatioInverse"), sample = is(c, "DeviationOfSample");
    for (size_t i = 0; i < n; i++) {
        const Moments f = moments(c, turned ? "retain" : "forget", i, false), r = moments(c, turned ? "forget" : "retain", i, false);
        const double d_f = sqrt(f.variance * (sample ? f.rows / (f.rows - 1) : 1)),
                     d_r = sqrt(r.variance * (sample ? r.rows / (r.rows - 1) : 1));
        score[i] = 2 * (f.mean / (r.mean + 1e-5) - 1) + 2 * (d_f / (d_r + 1e-5) - 1)
                 + 2 * (sqrt(f.mean_square) / (sqrt(r.mean_square) + 1e-5) - 1);
    }
    choose(score, n, 2, !is(c, "PruneCount"), wrong_ids(c, "pruned", shape_of(1, n)));
}

/* Adds to m the mean absolute value, the standard deviation (with the divisor n - 1 if `less_one`, else n) and the root
 * mean square of rows first … first + n - 1 of a channel. Values are first clamped to [-most, most]. */
static void group_add(const Tensor *t, size_t first, size_t n, size_t channel, bool less_one, double most, double m[3])
{
    double size = 0, mean = 0, mean_square = 0, apart = 0;
    for (int second = 0; second < 2; second++)
        for (size_t r = first; r < first + n; r++) {
            const double x = (double)t->f32[r * t->shape.dim[1] + channel], z = fmax(-most, fmin(most, x));
            if (second)
                apart += (z - mean) * (z - mean);
            else
                size += fabs(z) / (double)n, mean += z / (double)n, mean_square += z * z / (double)n;
        }
    m[0] += size, m[1] += sqrt(apart / ((double)n - less_one)), m[2] += sqrt(mean_square);
}

/* A group is two rows in the form official, and the rows of one sample in the form open_mm. GroupsPooled makes all rows
 * one group; DeviationOfSample divides by the number of rows less one, as the right answer of the form official does;
 * ActivationUnclamped leaves large activations as they are; PruneCount and RatioInverse are as in manu_ratio. */
static void manu_groups(const Case *c)
{
    double score[MOST];
    const bool official = strstr(c->id, "official") != NULL, pooled = is(c, "GroupsPooled");
    const double most = official && !is(c, "ActivationUnclamped") ? 1000 : INFINITY;
    const size_t n = in(c, "forget")->shape.dim[1];
    for (size_t i = 0; i < n; i++) {
        double m[2][3] = { { 0 } }, groups[2] = { 0 };
        for (int set = 0; set < 2; set++) {
            const bool retain = set != is(c, "RatioInverse");
            const Tensor *t = in(c, retain ? "retain" : "forget"), *sample = in(c, retain ? "sample.retain" : "sample.forget");
            const size_t rows = t->shape.dim[0];
            for (size_t first = 0, k = 0; first < rows; first += k, groups[set]++) {
                for (k = 1; first + k < rows && (pooled || (official ? k < 2 : sample->i32[first + k] == sample->i32[first])); k++)
                    ;
                group_add(t, first, k, i, (official && !pooled) || is(c, "DeviationOfSample"), most, m[set]);
            }
        }
        score[i] = 0;
        for (int k = 0; k < 3; k++)
            score[i] += 2 * (m[0][k] / groups[0] / (m[1][k] / groups[1] + 1e-5) - 1);
    }
    choose(score, n, 2, !is(c, "PruneCount"), wrong_ids(c, "pruned", shape_of(1, n)));
}

static double port_part(double m, double t) { return fabs(m - t) / (m + t + 1e-6); }

static double port_importance(const Case *c, const char *set, size_t channel)
{
    double x[2][4] = { { 0 } };
    for (int text = 0; text < 2; text++) {
        const Tensor *t = in(c, arena_format(c->w->arena, "%s.%s", set, text ? "text" : "picture"));
        const size_t rows = t->shape.dim[0], n = t->shape.dim[1];
        double mean = 0;
        for (size_t r = 0; r < rows; r++)
            mean += (double)t->f32[r * n + channel] / (double)rows;
        for (size_t r = 0; r < rows; r++) {
            const double z = (double)t->f32[r * n + channel];
            x[text][0] += (is(c, "MeanAbsolute") ? fabs(z) : z) / (double)rows;
            x[text][1] += (is(c, "ActiveOfSize") ? fabs(z) : z) > 0.1;
            x[text][2] += (z - mean) * (z - mean) / ((double)rows - 1);
            x[text][3] += z * z / (double)rows;
        }
    }
    return port_part(x[0][0], x[1][0]) + port_part(x[0][1], x[1][1]) + sqrt(x[0][2] + x[1][2]) + sqrt(port_part(x[0][3], x[1][3]));
}

/* MeanAbsolute takes the mean of |z| instead of z; ActiveOfSize counts |z| > 0.1 instead of z > 0.1; PruneTies and
 * PruneLowest are as in manu_paper. */
static void manu_port(const Case *c)
{
    double score[MOST];
    const size_t n = in(c, "forget.text")->shape.dim[1];
    for (size_t i = 0; i < n; i++)
        score[i] = (is(c, "PruneLowest") ? -1 : 1) * port_importance(c, "forget", i) / (port_importance(c, "retain", i) + 1e-6);
    choose(score, n, n / 2, is(c, "PruneTies"), wrong_ids(c, "pruned", shape_of(1, n)));
}

/* TieLast takes the last of equal scores; PathAbsolute takes the scores with the largest absolute values. */
static void mip_path(const Case *c)
{
    const Tensor *t = in(c, "score");
    const size_t rows = t->shape.dim[0], n = t->shape.dim[1];
    int32_t *y = wrong_ids(c, "path", t->shape);
    for (size_t r = 0; y && r < rows; r++) {
        double score[MOST];
        int32_t on[MOST];
        const bool last = is(c, "TieLast");
        for (size_t i = 0; i < n; i++) {
            const double x = (double)t->f32[r * n + i];
            score[last ? n - 1 - i : i] = is(c, "PathAbsolute") ? fabs(x) : x;
        }
        choose(score, n, 2, false, on);
        for (size_t i = 0; i < n; i++)
            y[r * n + i] = on[last ? n - 1 - i : i];
    }
}

/* Puts the neurons with the k best scores on the path y. TieLast and PathAbsolute are as above. */
static void on_path(const Case *c, const double *score, size_t n, size_t k, int32_t *y)
{
    double list[MOST] = { 0 };
    int32_t on[MOST];
    const bool last = is(c, "TieLast");
    for (size_t i = 0; i < n; i++)
        list[last ? n - 1 - i : i] = is(c, "PathAbsolute") ? fabs(score[i]) : score[i];
    choose(list, n, k, false, on);
    for (size_t i = 0; y && i < n; i++)
        y[i] |= on[last ? n - 1 - i : i];
}

/* g_j is the gradient at the fraction a_j = (j + 1)/4 of the activations. GradientUnscaled: g_j instead of g_j / a_j.
 * PathOfEach: a path for each sample instead of one path for all samples. PathOfAll: the reverse. */
static void mip_integrals(const Case *c)
{
    const bool paper = strstr(c->id, "paper") != NULL, each = paper ? is(c, "PathOfEach") : !is(c, "PathOfAll");
    const Tensor *h = in(c, "activation"), *g = in(c, "gradient"), *sample = in(c, "sample");
    const size_t rows = h->shape.dim[0], n = h->shape.dim[1], k = paper ? 1 : 2;
    double score[2][MOST] = { { 0 } };
    int32_t *y = wrong_ids(c, "path", shape_of(1, n));
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < 4; j++)
                score[each ? sample->i32[r] : 0][i] -= (double)h->f32[r * n + i] * (double)g->f32[(j * rows + r) * n + i]
                                                     / (is(c, "GradientUnscaled") ? 1 : (double)(j + 1) / 4) / 4;
    for (int s = 0; s < (each ? 2 : 1); s++)
        on_path(c, score[s], n, k, y);
}

/* The score is g^2 in the case of pictures, which has no activations h, else |h g|. SquaresSummed: the sum over the
 * rows of a sample instead of their mean. ProductSigned: h g instead of |h g|. */
static void mip_means(const Case *c)
{
    const Tensor *h = in(c, "activation"), *g = in(c, "gradient"), *group = in(c, h ? "batch" : "sample");
    const size_t rows = g->shape.dim[0], n = g->shape.dim[1];
    double score[MOST] = { 0 }, count[2] = { 0 };
    for (size_t r = 0; r < rows; r++)
        if (group->i32[r] >= 0)
            count[group->i32[r]]++;
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; group->i32[r] >= 0 && i < n; i++) {
            const double x = (double)(h ? h : g)->f32[r * n + i] * (double)g->f32[r * n + i];
            score[i] += (is(c, "ProductSigned") ? x : fabs(x)) / (is(c, "SquaresSummed") ? 1 : count[group->i32[r]]);
        }
    on_path(c, score, n, 2, wrong_ids(c, "path", shape_of(1, n)));
}

void wrong_neurons(Wrong *w)
{
    static const WrongCase list[] = {
        { "weights/manu.paper", "PruneTies PruneLowest MeanSigned", manu_paper },
        { "weights/manu.cmju", "PruneCount RatioInverse DeviationOfSample", manu_ratio },
        { "weights/manu.official", "PruneCount RatioInverse GroupsPooled ActivationUnclamped", manu_groups },
        { "weights/manu.open_mm", "PruneCount RatioInverse DeviationOfSample GroupsPooled", manu_groups },
        { "weights/manu.mip_editor", "PruneTies PruneLowest MeanAbsolute ActiveOfSize", manu_port },
        { "weights/mip_editor.path", "TieLast PathAbsolute", mip_path },
        { "weights/mip_editor.paper", "TieLast PathAbsolute GradientUnscaled PathOfEach", mip_integrals },
        { "weights/mip_editor.official", "TieLast PathAbsolute GradientUnscaled PathOfAll", mip_integrals },
        { "weights/mip_editor.pictures", "TieLast SquaresSummed", mip_means },
        { "weights/mip_editor.open_mm", "TieLast ProductSigned", mip_means },
    };
    wrong_cases(w, list, sizeof list / sizeof *list);
}
