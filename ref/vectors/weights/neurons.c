/* SPDX-License-Identifier: MIT */
/* Weights cases about neurons: which neurons manu prunes, in each of its five forms, and which are on the path of
 * mip_editor, in each of its three forms. */
#include "ref/vectors/weights/case_weights.h"

#include <string.h>
#include "unlearn/methods/neurons/path.h"
#include "unlearn/methods/neurons/pruning.h"

/* --- manu --- */

/* Neurons and channels count from 0. The paper's form (forget_*, retain_*): neurons 1 and 3 are equal, but only one of
 * them may be pruned. cmju's form (ratio_*): channels 1 and 4 are equal, and both are pruned. */
static const float forget_m[] = { 1, 2, -1.75f, 2, -1.5f, -1, -0.75f, -1.75f, 1.75f, -1.75f, 1.75f, 1, -1.5f, 0.75f, 1.25f, 0.75f,
                                  -1.5f, -0.5f },
                   forget_t[] = { -1.75f, -0.25f, 0, -0.25f, 0.25f, -0.25f, -1.25f, 0.25f, -0.25f, 0.25f, 0.75f, 1, 0.25f, -0.5f,
                                  -1, -0.5f, 0.25f, -0.5f },
                   retain_m[] = { -1.5f, -1.75f, -2, -1.75f, -0.5f, -1, -1.25f, -0.75f, 1, -0.75f, 1.75f, 0.25f, -1.5f, 2, 1.5f,
                                  2, -1.5f, 1.25f },
                   retain_t[] = { 0.75f, 1, 1, 1, -0.75f, 1.75f, 2, 0.75f, -0.5f, 0.75f, 0.25f, -1.75f, -1.75f, 0, 0.25f, 0, -1,
                                  -1.5f },
                   ratio_f[] = { -0.75f, -1.75f, 1.75f, -0.75f, -1.75f, -1, 0.75f, 1, 0.5f, -0.5f, 1, -1.75f },
                   ratio_r[] = { -0.5f, -0.5f, 1.5f, -0.75f, -0.5f, 1, 0, -0.75f, 1.5f, 0.75f, -0.75f, 0.25f, 2, 1.75f, 1.25f, 1,
                                 1.75f, -0.5f, -1.25f, 0, -0.25f, 0, 0, 1.5f, -1.5f, -1.5f, -0.5f, -0.25f, -1.5f, 0.25f };

/* official (position_*): rows 2i and 2i + 1 are position i in two layers. Channel 3 has 4000 in one set and 1000 in the
 * other, which are equal after clamping.
 * open_mm (sample_*): there are two samples in each set.
 * In these two forms channels 1 and 4 are equal, and both are pruned.
 * mip_editor (last_*): neurons 1 and 3 are equal, but only one of them may be pruned. */
enum { LAYERS = 2, BATCHES = 2 };
static const float position_f[] = { 0, 1.5f, -1.75f, 1.75f, 1.5f, 1.75f, -1.5f, 0.5f, 0.25f, 0, 0.5f, -2, -1.5f, -1.75f, 0.5f,
                                    4000, -1.75f, 1.5f, -0.5f, -0.25f, -2, -2, -0.25f, -1.25f, -1.25f, 1, 1.5f, -1.5f, 1, -1.25f,
                                    0.25f, -1, -0.75f, 0.5f, -1, 1.5f },
                   position_r[] = { -2, -1.25f, 1.75f, 0.5f, -1.25f, 0.25f, 2, -0.25f, -2, 0.25f, -0.25f, 1.25f, 0.75f, -1.25f, 0,
                                    1000, -1.25f, -1.75f, -1.75f, 0, -1.75f, 1.25f, 0, 2, -1.25f, 0, 1.75f, -0.75f, 0, 0.25f,
                                    0.5f, -0.5f, 1.25f, -1.75f, -0.5f, 0 },
                   sample_f[] = { 0.75f, -0.75f, 0.25f, 0.5f, -0.75f, 0.25f, 2, 0.25f, -0.25f, -2, 0.25f, -2, -1.75f, -1, 0.25f,
                                  -1.5f, -1, -0.5f, 1, 2, 0.75f, 1.75f, 2, -2, 2, -0.5f, 1.25f, 0.25f, -0.5f, -0.5f },
                   sample_r[] = { 0.25f, 0.25f, 1.75f, 1, 0.25f, -1.5f, 1.75f, 1.5f, -1, -1.5f, 1.5f, -2, 0.75f, -0.75f, -0.5f,
                                  -1.75f, -0.75f, 0.25f, 0.5f, -0.25f, 0.5f, -0.5f, -0.25f, -0.75f, -1, 0.5f, 1.25f, -0.75f, 0.5f,
                                  0.75f, -2, -1.25f, -0.25f, 0.75f, -1.25f, -1 },
                   last_fm[] = { -1.75f, -0.25f, 1, -0.25f, -1.5f, 1.75f, -1.75f, -1.5f, -1, -1.5f, 0, -0.75f, -1.75f, 0.25f,
                                 -0.25f, 0.25f, 1, -0.25f },
                   last_ft[] = { 0, 0.75f, -2, 0.75f, 1, -0.75f, 1.25f, 1.75f, 0.75f, 1.75f, 0.25f, -1.25f, -1.5f, 1.5f, 0.75f,
                                 1.5f, 0, -0.5f },
                   last_rm[] = { 0, 2, 2, 2, 1.5f, -1.5f, 2, 0.5f, 2, 0.5f, 2, 1.75f, 1, -0.25f, 1, -0.25f, 1.75f, 1.25f },
                   last_rt[] = { 1, -0.25f, -1.75f, -0.25f, 1.5f, -1.25f, 1.5f, 1, -0.5f, 1, 1.25f, 0, -1.25f, 1.25f, -1.75f,
                                 1.25f, 0.75f, -1.5f };
static const int32_t sample_of_f[] = { 0, 0, 0, 1, 1 }, sample_of_r[] = { 0, 0, 1, 1, 1, 1 };

static void rows_add(ManuSums *s, const Tensor *t, size_t first, size_t rows, size_t channel, ManuCount count)
{
    const size_t n = shape_cols(t->shape);
    manu_add(s, t->f32 + first * n, rows, n, channel, count);
}

static ManuSums sums_of(const LossCase *c, size_t k, size_t channel, ManuCount count)
{
    ManuSums s = { .rows = 0 };
    rows_add(&s, &c->in[k].tensor, 0, c->in[k].tensor.shape.dim[0], channel, count);
    return s;
}

static bool prune_count(const Hyperparameters *v, LossCase *c, Arena *a, Error *e)
{
    const bool port = v->manu_form == MANU_PORT;           // the form mip_editor
    const size_t n = weights_width(c), k = (size_t)((double)v->percent / 100 * (double)n);
    const Tensor y = weights_put(c, "pruned", I32, shape_of(1, n), a);
    double *score = arena_array(a, n, sizeof *score);
    uint32_t *order = arena_array(a, n, sizeof *order);
    if (e->failed)
        return false;
    for (size_t i = 0; i < n; i++) {
        ManuSums s[4];
        for (size_t part = 0; part < 4; part++)
            s[part] = sums_of(c, part, i, (ManuCount){ .tau = (double)v->tau, .positive = port });
        score[i] = (port ? manu_port_score : manu_score)(s, s + 2);
    }
    if (!scores_rank(score, n, order, a))
        return false;
    for (size_t i = 0; i < k; i++)
        y.i32[order[i]] = 1;
    return true;
}

/* The means of one channel over the groups of a set. A group has the rows of a position in all layers,
 * those of a sample, or all rows, as the form says. */
static ManuMeans means_of(const Hyperparameters *v, const LossCase *c, size_t set, size_t channel)
{
    const Tensor *t = &c->in[set].tensor;
    const int32_t *sample = v->manu_form == MANU_OPEN_MM ? c->in[2 + set].tensor.i32 : NULL;
    const ManuCount count = { .most = v->manu_form == MANU_OPEN_MM ? 0 : 1000 };
    ManuMeans m = { .groups = 0 };
    for (size_t first = 0, rows = 0; first < t->shape.dim[0]; first += rows) {
        ManuSums s = { .rows = 0 };
        rows = v->manu_form == MANU_OFFICIAL ? LAYERS : sample ? 1 : t->shape.dim[0];
        while (sample && first + rows < t->shape.dim[0] && sample[first + rows] == sample[first])
            rows++;
        rows_add(&s, t, first, rows, channel, count);
        manu_group(&m, &s, v->manu_form == MANU_OFFICIAL);
    }
    return m;
}

static bool prune_threshold(const Hyperparameters *v, LossCase *c, Arena *a, Error *e)
{
    const size_t n = weights_width(c), k = (size_t)((double)v->percent / 100 * (double)n);
    const Tensor y = weights_put(c, "pruned", I32, shape_of(1, n), a);
    double *score = arena_array(a, n, sizeof *score), threshold;
    if (e->failed)
        return false;
    for (size_t i = 0; i < n; i++) {
        const ManuMeans f = means_of(v, c, 0, i), r = means_of(v, c, 1, i);
        score[i] = manu_ratio(&f, &r);
    }
    if (!manu_threshold(score, n, k > 0 ? k : 1, &threshold, a))
        return false;
    for (size_t i = 0; i < n; i++)
        y.i32[i] = score[i] >= threshold;
    return true;
}

/* --- mip_editor --- */

/* In each layer several scores are equal to the last one on the path, and one score is negative and large. */
static const float scores[] = { 3, -5, 3, 3, 1, -1, 0, 2, 1, 1, 0.5f, 1, -2, 1, 0, 1 };

static bool path(const Hyperparameters *v, LossCase *c, Arena *a, Error *e)
{
    const size_t n = weights_width(c);
    Mlp mlp[LAYERS];
    Path p = { .count = LAYERS, .mlp = mlp, .arena = a, .error = e };
    const Tensor y = weights_put(c, "path", I32, c->in[0].tensor.shape, a);
    for (size_t l = 0; l < LAYERS; l++) {
        mlp[l] = (Mlp){ .width = n, .score = arena_array(a, n, sizeof(double)), .on = arena_zalloc(a, n) };
        for (size_t i = 0; !e->failed && i < n; i++)
            mlp[l].score[i] = (double)c->in[0].tensor.f32[l * n + i];
    }
    if (e->failed || !path_choose(&p, 0, LAYERS, (size_t)v->path_neurons))
        return false;
    for (size_t i = 0; i < LAYERS * n; i++)
        y.i32[i] = mlp[i / n].on[i % n];
    return true;
}

/* The cases: each_* is official, all_* paper, square_g pictures, product_* open_mm. There are two samples; sample_of
 * says to which one each row belongs. For product_*, batch_of says to which batch a row belongs, with -1 for a row that
 * is not supervised. each_g and all_g hold the gradients at the four points of the integral, one point after another.
 * Neurons 1 and 4 are equal. */
static const int32_t sample_of[] = { 0, 0, 0, 1, 1 }, batch_of[] = { -1, 0, 0, -1, 1, 1, 1, -1 };
static const float each_h[] = { 0.25f, -0.5f, -1.5f, 1.75f, -0.5f, -1.75f, 0.25f, 1.5f, 0, -2, 1.5f, 2, -1.5f, 1.25f, -1.5f, 0.5f,
                                1.25f, 2, -0.25f, -0.25f, -1.75f, -0.5f, -0.25f, 1.5f, 0.25f, 1.75f, -1.5f, 0, 1.75f, 1 },
                   each_g[] = { 0, 1.5f, -0.75f, 0, 1.5f, 1.5f, 0, 1.5f, -1.5f, 1.5f, 1.5f, 0.75f, 1.5f, -1.5f, 1.5f, 1.5f, -1.5f,
                                0, -1.5f, 0.75f, -1.5f, -1.5f, 0.75f, 0, 0, -0.75f, -1.5f, 0, -0.75f, 0, -0.75f, 0.75f, 0.75f,
                                1.5f, 0.75f, 1.5f, -1.5f, 1.5f, 0, 1.5f, 1.5f, -0.75f, -1.5f, -1.5f, 0, 0, -1.5f, 1.5f, 0.75f,
                                1.5f, -0.75f, 1.5f, 1.5f, -0.75f, 0, 1.5f, -0.75f, 0, 1.5f, 0, 0, 1.5f, -1.5f, -0.75f, 1.5f,
                                -1.5f, 0.75f, 0, 1.5f, 0.75f, 0, -1.5f, -0.75f, 0, -0.75f, -1.5f, 0, 0, -0.75f, 1.5f, 0.75f, 0,
                                1.5f, -0.75f, -0.75f, -1.5f, -0.75f, 0, -1.5f, -0.75f, 0, 1.5f, -0.75f, -0.75f, 1.5f, -0.75f,
                                -1.5f, 0.75f, 1.5f, 0, 0.75f, -1.5f, 1.5f, -1.5f, -0.75f, 1.5f, -1.5f, 0, 1.5f, 1.5f, 1.5f, -1.5f,
                                1.5f, 0.75f, -0.75f, 1.5f, 1.5f, 0.75f, 1.5f, -1.5f },
                   all_h[] = { -1.5f, -0.5f, 0.75f, 2, -0.5f, -1.25f, -0.25f, -1.25f, -1, -1, -1.25f, -1, 2, 1.5f, -0.5f, -1.25f,
                               1.5f, 0, -0.75f, 1.5f, -1.25f, -1.75f, 1.5f, -2, -0.25f, -0.25f, -0.75f, 0.75f, -0.25f, 1.5f },
                   all_g[] = { 0, -0.75f, 1.5f, 0.75f, -0.75f, -0.75f, 1.5f, 1.5f, -1.5f, -1.5f, 1.5f, 0.75f, 1.5f, 0.75f, -1.5f,
                               0, 0.75f, 0.75f, 1.5f, 0, 0.75f, -0.75f, 0, -1.5f, 0, 0, -0.75f, 0.75f, 0, 0, 1.5f, -0.75f, -1.5f,
                               0.75f, -0.75f, -0.75f, -1.5f, 0.75f, 0.75f, 0.75f, 0.75f, 0.75f, 0.75f, 1.5f, 0, 0, 1.5f, 0, -1.5f,
                               0.75f, -1.5f, 0, 0.75f, 0, 0.75f, -0.75f, 0, -1.5f, -0.75f, 0, 1.5f, 0.75f, -0.75f, -1.5f, 0.75f,
                               1.5f, -0.75f, 0.75f, -1.5f, 0.75f, 0.75f, 0, 1.5f, 0.75f, 0.75f, 1.5f, 0.75f, -1.5f, 1.5f, 0.75f,
                               -0.75f, 1.5f, 0.75f, -0.75f, 0.75f, 1.5f, -1.5f, -0.75f, 1.5f, -1.5f, 1.5f, -0.75f, -1.5f, -1.5f,
                               -0.75f, 0, 1.5f, -1.5f, -0.75f, -1.5f, -1.5f, 0, 1.5f, 0, -1.5f, -0.75f, 0, -0.75f, -0.75f, -0.75f,
                               0, -1.5f, -0.75f, 0.75f, 1.5f, 1.5f, -1.5f, 0.75f, 1.5f, 1.5f },
                   square_g[] = { -1.75f, 1.75f, 1.75f, -1.5f, 1.75f, 2, 1.75f, 0.75f, -1, -1.5f, 0.75f, 1.5f, 1.5f, -1.75f,
                                  1.25f, 2, -1.75f, 0.75f, 0.75f, -0.75f, 1.25f, 0.75f, -0.75f, 1.25f, -1, -1.5f, 0.5f, -0.25f,
                                  -1.5f, 1.75f },
                   product_h[] = { 1.75f, 0, -1.5f, 1.5f, 0, -1, 0, 1, -1, 0, 1, 0.5f, 0.75f, -1, -2, 0, -1, 0.5f, 0.25f, 1.25f,
                                   1.25f, -1.75f, 1.25f, 2, -2, 1, 0.25f, -0.25f, 1, -0.75f, 0.75f, 2, 1.75f, -1.25f, 2, -0.5f, 1,
                                   2, -1.5f, 1.5f, 2, -0.75f, 1, 1.5f, 0, 1.25f, 1.5f, -1.25f },
                   product_g[] = { 0.75f, 0.5f, 1.75f, 1.5f, 0.5f, -1.25f, 0.75f, 0.5f, -2, -1.25f, 0.5f, -0.75f, -0.75f, -1.25f,
                                   0.5f, -0.25f, -1.25f, -0.25f, 1.25f, -1, 2, -1.75f, -1, -1.75f, 0.75f, 1.5f, -1.25f, 1.5f,
                                   1.5f, 2, -1.25f, 0.25f, -1.5f, 0.5f, 0.25f, 1.25f, 0.25f, -1.75f, -1, 2, -1.75f, 0, -0.25f,
                                   -1.75f, 0, 2, -1.75f, -1.75f };

typedef struct { Path path; Mlp mlp; size_t rows; Tensor on; } OneMlp;

static bool one_begin(OneMlp *x, LossCase *c, Arena *a, Error *e)
{
    const size_t n = weights_width(c);
    *x = (OneMlp){ .rows = c->in[0].tensor.shape.dim[0], .on = weights_put(c, "path", I32, shape_of(1, n), a) };
    x->mlp = (Mlp){ .width = n, .score = arena_zalloc(a, n * sizeof(double)), .on = arena_zalloc(a, n) };
    x->path = (Path){ .count = 1, .mlp = &x->mlp, .arena = a, .error = e };
    return !e->failed;
}

static bool one_choose(OneMlp *x, size_t k)
{
    const bool good = path_choose(&x->path, 0, 1, k);
    for (size_t i = 0; good && i < x->mlp.width; i++)
        x->on.i32[i] = x->mlp.on[i];
    return good;
}

/* How many rows that follow one another, from row `first` on, have the id of row `first`. */
static size_t rows_alike(const int32_t *id, size_t first, size_t rows)
{
    size_t n = 1;
    while (first + n < rows && id[first + n] == id[first])
        n++;
    return n;
}

static bool path_integrals(const Hyperparameters *v, LossCase *c, Arena *a, Error *e)
{
    OneMlp x;
    const bool each = v->mip_form == MIP_OFFICIAL;
    const size_t k = each ? (size_t)v->path_neurons : 1;
    bool good = one_begin(&x, c, a, e);
    for (size_t first = 0, n = 0; good && first < x.rows; first += n) {
        n = rows_alike(c->in[2].tensor.i32, first, x.rows);
        double *sum = arena_zalloc(a, n * x.mlp.width * sizeof *sum);
        for (size_t j = 1; sum && j <= PATH_POINTS; j++)
            path_add_integral(&x.mlp, c->in[0].tensor.f32 + first * x.mlp.width,
                              c->in[1].tensor.f32 + ((j - 1) * x.rows + first) * x.mlp.width, sum, n, (float)j / PATH_POINTS);
        good = sum && (!each || one_choose(&x, k));
    }
    return good && (each || one_choose(&x, k));
}

static bool path_squares(const Hyperparameters *v, LossCase *c, Arena *a, Error *e)
{
    OneMlp x;
    bool good = one_begin(&x, c, a, e);
    for (size_t first = 0, n = 0; good && first < x.rows; first += n) {
        const float *g = c->in[0].tensor.f32 + first * x.mlp.width;
        n = rows_alike(c->in[1].tensor.i32, first, x.rows);
        path_add_products(&x.mlp, g, g, NULL, n);
    }
    return good && one_choose(&x, (size_t)v->path_neurons);
}

static bool path_products(const Hyperparameters *v, LossCase *c, Arena *a, Error *e)
{
    OneMlp x;
    int32_t rows[8];
    bool good = one_begin(&x, c, a, e);
    for (int32_t batch = 0; good && batch < BATCHES; batch++) {
        size_t n = 0;
        for (size_t r = 0; r < x.rows; r++)
            if (c->in[2].tensor.i32[r] == batch)
                rows[n++] = (int32_t)r;
        path_add_products(&x.mlp, c->in[0].tensor.f32, c->in[1].tensor.f32, rows, n);
    }
    return good && one_choose(&x, (size_t)v->path_neurons);
}

#define PRUNING "unlearn/methods/neurons/pruning.h"
#define PATH_H "unlearn/methods/neurons/path.h"

const WeightsForm neuron_forms[] = {
    { "manu.paper", "manu", "percent=50 tau=0.1", "PruneTies PruneLowest MeanSigned", PRUNING,
      "pruned = 1 for the floor(percent/100 n) of n neurons with the highest scores of the paper's form, of equal ones the first; each row "
      "of forget.picture … is that of a token",
      { ROWS("forget.picture", 6, forget_m), ROWS("forget.text", 6, forget_t), ROWS("retain.picture", 6, retain_m),
        ROWS("retain.text", 6, retain_t) }, prune_count },
    { "manu.cmju", "manu", "percent=34 manu_form=cmju", "PruneCount RatioInverse DeviationOfSample", PRUNING,
      "pruned = 1 for the channels whose score of cmju's form is at least the k-th highest, k = max(1, floor(percent/100 n)), so that ties "
      "prune more", { ROWS("forget", 6, ratio_f), ROWS("retain", 6, ratio_r) }, prune_threshold },
    { "manu.official", "manu", "percent=34 manu_form=official", "PruneCount RatioInverse GroupsPooled ActivationUnclamped", PRUNING,
      "pruned = 1 for the channels whose score of the official form is at least the k-th highest, k = floor(percent/100 n); rows 2i and "
      "2i + 1 "
      "are position i in two layers", { ROWS("forget", 6, position_f), ROWS("retain", 6, position_r) }, prune_threshold },
    { "manu.open_mm", "manu", "percent=34 manu_form=open_mm", "PruneCount RatioInverse DeviationOfSample GroupsPooled", PRUNING,
      "pruned = 1 for the channels whose score of open_mm's form is at least the k-th highest, k = max(1, floor(percent/100 n)); "
      "sample.forget "
      "… is the sample of each row",
      { ROWS("forget", 6, sample_f), ROWS("retain", 6, sample_r), IDS("sample.forget", sample_of_f), IDS("sample.retain", sample_of_r) },
      prune_threshold },
    { "manu.mip_editor", "manu", "percent=50 tau=0.1 manu_form=mip_editor", "PruneTies PruneLowest MeanAbsolute ActiveOfSize", PRUNING,
      "pruned = 1 for the floor(percent/100 n) of n neurons with the highest scores of the port's form, of equal ones the first (they are "
      "scaled by 0.9); each row of forget.picture … is that of a sample's last token",
      { ROWS("forget.picture", 6, last_fm), ROWS("forget.text", 6, last_ft), ROWS("retain.picture", 6, last_rm),
        ROWS("retain.text", 6, last_rt) }, prune_count },
    { "mip_editor.path", "mip_editor", "path_neurons=2", "TieLast PathAbsolute", PATH_H,
      "path = 1 for the path_neurons highest scores of each row, of equal ones the first", { ROWS("score", 8, scores) }, path },
    { "mip_editor.paper", "mip_editor", "mip_form=paper", "TieLast PathAbsolute GradientUnscaled PathOfEach", PATH_H,
      "path = 1 for the highest score of path_integrated over all samples, of equal ones the first; sample is that of each row, and "
      "gradient "
      "has the rows of the four points one behind the other",
      { ROWS("activation", 6, all_h), ROWS("gradient", 6, all_g), IDS("sample", sample_of) }, path_integrals },
    { "mip_editor.official", "mip_editor", "mip_form=official path_neurons=2", "TieLast PathAbsolute GradientUnscaled PathOfAll", PATH_H,
      "path = 1 for the path_neurons highest scores of path_integrated of each sample by itself, of equal ones the first; sample is "
      "that of each "
      "row, and gradient has the rows of the four points one behind the other",
      { ROWS("activation", 6, each_h), ROWS("gradient", 6, each_g), IDS("sample", sample_of) }, path_integrals },
    { "mip_editor.pictures", "mip_editor", "mip_form=paper path_neurons=2", "TieLast SquaresSummed", PATH_H,
      "path = 1 for the path_neurons highest scores of path_squared over all samples, of equal ones the first; sample is that of each row",
      { ROWS("gradient", 6, square_g), IDS("sample", sample_of) }, path_squares },
    { "mip_editor.open_mm", "mip_editor", "mip_form=open_mm path_neurons=2", "TieLast ProductSigned", PATH_H,
      "path = 1 for the path_neurons highest scores of path_product over all batches, of equal ones the first; batch is that of each "
      "supervised "
      "row, and -1 of the others", { ROWS("activation", 6, product_h), ROWS("gradient", 6, product_g), IDS("batch", batch_of) },
      path_products },
};
const size_t neuron_forms_count = sizeof neuron_forms / sizeof *neuron_forms;
