/* SPDX-License-Identifier: MIT */
#include "ref/vectors/weights/case_weights.h"

#include <string.h>
#include "unlearn/fisher.h"
#include "unlearn/methods/cmju.h"
#include "unlearn/methods/neurons/path.h"
#include "unlearn/methods/neurons/pruning.h"
#include "unlearn/methods/smfa.h"
#include "unlearn/terms/terms.h"

static Tensor put(LossCase *c, const char *name, Dtype kind, Shape shape, Arena *a)
{
    Tensor t = { .shape = shape, .dtype = kind, .data = arena_zalloc(a, shape_size(shape) * sizeof(float)) };
    c->out[c->out_count++] = (Entry){ name, t };
    return t;
}

static size_t width(const LossCase *c) { return shape_cols(c->in[0].tensor.shape); }

/* --- smfa --- */

/* In units of 2^30, so that the eps of rho, 1e-8, is nothing in binary64 either; both norms are integers' roots, and rho is 4. Of the
 * entries: a tie, which stays; one beyond it, which is zeroed; one of the same sign; one within; no anchor; no change; two within. */
#define U 0x1p30f
static const float change[] = { -20 * U, -24 * U, 24 * U, 16 * U, 8 * U, 0, -18 * U, -432 * U },
                   anchor[] = { U, U, U, -U, 0, 3 * U, 4 * U, 108.5f * U };

static bool sculpt(const Hyperparameters *v, LossCase *c, Arena *a, Error *e)
{
    Tape t = tape_make(a, e);
    Node *f = tape_input(&t, "f", c->in[0].tensor), *g = tape_input(&t, "a", c->in[1].tensor), *made = smfa_sculpt(&t, f, g, v->sculpt);
    if (made)
        c->out[c->out_count++] = (Entry){ "sculpted", made->out };
    return made != NULL;
}

/* --- mmunlearner --- */

/* Two ties, of which one is between zeros; numbers below eps = 1e-15; a zero on either side. */
static const float fisher_f[] = { 1, 2, 1, 0, 0x1p-60f, 0x1p-61f, 0, 0x1p-40f },
                   fisher_p[] = { 1, 1, 2, 0, 0x1p-61f, 0x1p-60f, 0x1p-40f, 0 },
                   below_f[] = { 1, 1, 3, 0, 0, 4, 0x1p-50f, 1 }, below_p[] = { 1, 4, 4, 0, 1, 0, 0x1p-40f, 1.5f };

static bool mask(const Hyperparameters *v, LossCase *c, Arena *a, Error *e)
{
    const Tensor y = put(c, "mask", I32, c->in[0].tensor.shape, a);
    for (size_t i = 0; y.data && i < width(c); i++)
        y.i32[i] = fisher_selects(c->in[0].tensor.f32[i], c->in[1].tensor.f32[i], v);
    return !e->failed;
}

/* --- manu --- */

/* Neurons 1 and 3 of the paper's form are equal, and there is room for one of them; channels 1 and 4 of cmju's form are equal, and both
 * are pruned. */
static const float forget_m[] = { 1, 2, -1.75f, 2, -1.5f, -1, -0.75f, -1.75f, 1.75f, -1.75f, 1.75f, 1, -1.5f, 0.75f, 1.25f, 0.75f, -1.5f,
                                  -0.5f },
                   forget_t[] = { -1.75f, -0.25f, 0, -0.25f, 0.25f, -0.25f, -1.25f, 0.25f, -0.25f, 0.25f, 0.75f, 1, 0.25f, -0.5f, -1, -0.5f,
                                  0.25f, -0.5f },
                   retain_m[] = { -1.5f, -1.75f, -2, -1.75f, -0.5f, -1, -1.25f, -0.75f, 1, -0.75f, 1.75f, 0.25f, -1.5f, 2, 1.5f, 2, -1.5f,
                                  1.25f },
                   retain_t[] = { 0.75f, 1, 1, 1, -0.75f, 1.75f, 2, 0.75f, -0.5f, 0.75f, 0.25f, -1.75f, -1.75f, 0, 0.25f, 0, -1, -1.5f },
                   ratio_f[] = { -0.75f, -1.75f, 1.75f, -0.75f, -1.75f, -1, 0.75f, 1, 0.5f, -0.5f, 1, -1.75f },
                   ratio_r[] = { -0.5f, -0.5f, 1.5f, -0.75f, -0.5f, 1, 0, -0.75f, 1.5f, 0.75f, -0.75f, 0.25f, 2, 1.75f, 1.25f, 1, 1.75f,
                                 -0.5f,
                                 -1.25f, 0, -0.25f, 0, 0, 1.5f, -1.5f, -1.5f, -0.5f, -0.25f, -1.5f, 0.25f };

static ManuSums sums_of(const LossCase *c, size_t k, size_t channel, ManuCount count)
{
    const Tensor *t = &c->in[k].tensor;
    ManuSums s = { .rows = 0 };
    manu_add(&s, t->f32, t->shape.dim[0], width(c), channel, count);
    return s;
}

static bool prune_count(const Hyperparameters *v, LossCase *c, Arena *a, Error *e)
{
    const size_t n = width(c), k = (size_t)((double)v->percent / 100 * (double)n);
    const Tensor y = put(c, "pruned", I32, shape_of(1, n), a);
    double *score = arena_array(a, n, sizeof *score);
    uint32_t *order = arena_array(a, n, sizeof *order);
    if (e->failed)
        return false;
    for (size_t i = 0; i < n; i++) {
        const ManuCount tau = { .tau = (double)v->tau };
        ManuSums s[4];
        for (size_t part = 0; part < 4; part++)
            s[part] = sums_of(c, part, i, tau);
        score[i] = manu_score(s, s + 2);
    }
    if (!manu_rank(score, n, order, a))
        return false;
    for (size_t i = 0; i < k; i++)
        y.i32[order[i]] = 1;
    return true;
}

static bool prune_threshold(const Hyperparameters *v, LossCase *c, Arena *a, Error *e)
{
    const size_t n = width(c), k = (size_t)((double)v->percent / 100 * (double)n);
    const Tensor y = put(c, "pruned", I32, shape_of(1, n), a);
    double *score = arena_array(a, n, sizeof *score), threshold;
    if (e->failed)
        return false;
    for (size_t i = 0; i < n; i++) {
        ManuMeans means[2] = { { .groups = 0 }, { .groups = 0 } };
        for (size_t set = 0; set < 2; set++) {
            const ManuSums s = sums_of(c, set, i, (ManuCount){ .most = 1000 });
            manu_group(&means[set], &s, false);
        }
        score[i] = manu_ratio(&means[0], &means[1]);
    }
    if (!manu_threshold(score, n, k > 0 ? k : 1, &threshold, a))
        return false;
    for (size_t i = 0; i < n; i++)
        y.i32[i] = score[i] >= threshold;
    return true;
}

/* --- cmju --- */

/* Tensors 6 and 7 are equally salient, and there is room for one of them. */
static const float saliency_t[] = { 8, 6, 2, 1, 0, 4, 2, 2, 0.5f, 1 }, saliency_m[] = { 1, 2, 4, 0.25f, 3, 2, 1, 1, 0.25f, 0.5f };

static bool groups(const Hyperparameters *v, LossCase *c, Arena *a, Error *e)
{
    const size_t n = width(c);
    const Tensor y = put(c, "group", I32, shape_of(1, n), a);
    double *text = arena_array(a, n, sizeof *text), *picture = arena_array(a, n, sizeof *picture);
    CmjuGroup *group = arena_array(a, n, sizeof *group);
    if (e->failed)
        return false;
    for (size_t i = 0; i < n; i++)
        text[i] = (double)c->in[0].tensor.f32[i], picture[i] = (double)c->in[1].tensor.f32[i];
    if (!cmju_partition(text, picture, n, (double)v->salient_share, (double)v->share_margin, group, a))
        return false;
    for (size_t i = 0; i < n; i++)
        y.i32[i] = group[i];
    return true;
}

/* Twelve tensors of four weights: five of text, five of pictures, a shared and a frozen one. |g_t| = 8 and |g_m| = 4, so q = 2; the groups
 * then have the norms 4 and 8, and are scaled by 5/4 and 7/8. */
enum { TENSORS = 12 };
static const float text_g[] = { 2, 0, 0, 0, 0, 0, 0, 0, 4, -4, 0, 4, 0, -2, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4,
                                0, 0, 2, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, -1, 0, 0, 0, 0 },
                   picture_g[] = { 0, 0, 0, 0, 0, 1, 0, -1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, -1, 0, 2, 0,
                                   0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, -2, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0 };
static const int32_t group_of[TENSORS] = { CMJU_TEXT, CMJU_PICTURE, CMJU_SHARED, CMJU_TEXT, CMJU_PICTURE, CMJU_FROZEN,
                                           CMJU_TEXT, CMJU_PICTURE, CMJU_TEXT, CMJU_PICTURE, CMJU_TEXT, CMJU_PICTURE };

static bool forget(const Hyperparameters *v, LossCase *c, Arena *a, Error *e)
{
    const Shape shape = c->in[0].tensor.shape, row = shape_of(1, width(c));
    Tape t = tape_make(a, e);
    MethodStep s = { .tape = &t, .hyper = v };
    Node *text[TENSORS], *picture[TENSORS], *sum[TENSORS];
    CmjuGroup group[TENSORS];
    Gradients g = { .count = TENSORS, .sum = sum, .of = { [ROLE_FORGET] = picture, [ROLE_FORGET_TEXT] = text } };
    for (size_t k = 0; k < TENSORS; k++) {
        text[k] = tape_input(&t, "t", tensor_view(c->in[0].tensor.f32 + k * width(c), row));
        picture[k] = tape_input(&t, "m", tensor_view(c->in[1].tensor.f32 + k * width(c), row));
        group[k] = (CmjuGroup)c->in[2].tensor.i32[k];
    }
    const Tensor y = put(c, "gradient", F32, shape, a);
    if (e->failed || !cmju_forget(&s, &g, &(Cmju){ TENSORS, group }))
        return false;
    for (size_t k = 0; k < TENSORS; k++)
        if (sum[k])
            memcpy(y.f32 + k * width(c), sum[k]->out.f32, tensor_bytes(sum[k]->out));
    return true;
}

/* --- mip_editor --- */

/* Each layer has equal scores at the end of its path, and a large negative one. */
static const float scores[] = { 3, -5, 3, 3, 1, -1, 0, 2, 1, 1, 0.5f, 1, -2, 1, 0, 1 };

static bool path(const Hyperparameters *v, LossCase *c, Arena *a, Error *e)
{
    enum { LAYERS = 2 };
    const size_t n = width(c);
    Mlp mlp[LAYERS];
    Path p = { .count = LAYERS, .mlp = mlp, .arena = a, .error = e };
    const Tensor y = put(c, "path", I32, c->in[0].tensor.shape, a);
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

/* --- o3 --- */

static const float factor[] = { 1, 2, 0, 0, 1, -1 }, factor_1[] = { 1, 0, 1, 2, -1, 0 }, factor_2[] = { 0, 1, 1, 1, 1, 1 };

static bool overlap(const Hyperparameters *v, LossCase *c, Arena *a, Error *e)
{
    Tape t = tape_make(a, e);
    MethodStep s = { .tape = &t, .hyper = v };
    Loss loss = { .step = &s };
    Node *x = tape_param(&t, "a", c->in[0].tensor, true);
    for (size_t j = 1; j < c->in_count; j++)
        plus_overlap(&loss, x, &c->in[j].tensor, v->lambda);
    tape_backward(&t);
    if (e->failed)
        return false;
    c->out[c->out_count++] = (Entry){ "overlap", loss.sum->out };
    c->out[c->out_count++] = (Entry){ "grad.a", x->grad->out };
    return true;
}

/* --- all of them --- */

#define ROW(name, x) { name, 0, sizeof x / sizeof *x, x, NULL }
#define ROWS(name, cols, x) { name, sizeof x / sizeof *x / cols, cols, x, NULL }

const WeightsForm weights_forms[] = {
    { "smfa.sculpt", "smfa", "sculpt=5",
      "SculptTies SculptSameSign SculptWithoutFactor SculptWithoutScale SculptScaleInverse SculptInverse",
      "unlearn/methods/smfa.h",
      "sculpted = change.forget, and 0 where change.forget change.anchor < 0 and l |change.anchor| < |change.forget|, l = RN(sculpt "
      "RN(|change.forget| / RN(|change.anchor| + 1e-8)))",
      { ROW("change.forget", change), ROW("change.anchor", anchor) }, sculpt },
    { "mmunlearner.both", "mmunlearner", "threshold=1", "MaskStrict MaskInverse FisherEpsMissing", "unlearn/fisher.h",
      "mask = 1 where (fisher.forget + 1e-15) / (fisher.preserved + 1e-15) >= threshold, else 0",
      { ROW("fisher.forget", fisher_f), ROW("fisher.preserved", fisher_p) }, mask },
    { "mmunlearner.below", "mmunlearner", "threshold=0.5 fisher_eps=below", "FisherEpsBoth FisherThresholdMissing", "unlearn/fisher.h",
      "mask = 1 where fisher.forget / (fisher.preserved + 1e-15) >= threshold, else 0",
      { ROW("fisher.forget", below_f), ROW("fisher.preserved", below_p) }, mask },
    { "manu.paper", "manu", "percent=50 tau=0.1", "PruneTies PruneLowest MeanSigned", "unlearn/methods/neurons/pruning.h",
      "pruned = 1 for the floor(percent/100 n) of n neurons with the highest scores of the paper's form, of equal ones the first; each row "
      "of forget.picture … is that of a token",
      { ROWS("forget.picture", 6, forget_m), ROWS("forget.text", 6, forget_t), ROWS("retain.picture", 6, retain_m),
        ROWS("retain.text", 6, retain_t) }, prune_count },
    { "manu.cmju", "manu", "percent=34 manu_form=cmju", "PruneCount RatioInverse DeviationOfSample", "unlearn/methods/neurons/pruning.h",
      "pruned = 1 for the channels whose score of cmju's form is at least the k-th highest, k = max(1, floor(percent/100 n)), so that ties "
      "prune more", { ROWS("forget", 6, ratio_f), ROWS("retain", 6, ratio_r) }, prune_threshold },
    { "cmju.groups", "cmju", "salient_share=0.6", "SalientTies SaliencyUnscaled MarginMissing GroupsSwapped", "unlearn/methods/cmju.h",
      "group = 1 where text and pictures share a tensor, 2 where it is of text, 3 where it is of pictures, 0 where it is not salient",
      { ROW("saliency.text", saliency_t), ROW("saliency.picture", saliency_m) }, groups },
    { "cmju.forget", "cmju", "", "SharedOnce BalanceMissing PictureUnscaled TextScaled FrozenMoves", "unlearn/methods/cmju.h",
      "gradient = that of a forget step; each row is a tensor, and group is as in cmju.groups",
      { ROWS("gradient.text", 4, text_g), ROWS("gradient.picture", 4, picture_g), { "group", 0, TENSORS, NULL, group_of } }, forget },
    { "o3.overlap", "o3", "lambda=0.5", "OverlapAbsolute OverlapOfSum OverlapTransposed", "unlearn/terms/terms.h",
      "overlap = lambda sum_j |A_j A^T|^2, the sum of the squares of all elements, of the first factors A_j of earlier adapters; grad.a = "
      "its gradient in A", { ROWS("a", 3, factor), ROWS("earlier.1", 3, factor_1), ROWS("earlier.2", 3, factor_2) }, overlap },
    { "mip_editor.path", "mip_editor", "path_neurons=2", "TieLast PathAbsolute", "unlearn/methods/neurons/path.h",
      "path = 1 for the path_neurons highest scores of each row, of equal ones the first", { ROWS("score", 8, scores) }, path },
};
const size_t weights_forms_count = sizeof weights_forms / sizeof *weights_forms;

static bool given(LossCase *c, const Given *g, Arena *a)
{
    Tensor t = { .shape = g->rows ? shape_of(2, g->rows, g->cols) : shape_of(1, g->cols), .dtype = g->x ? F32 : I32 };
    const size_t bytes = shape_size(t.shape) * sizeof(float);
    if (!(t.data = arena_alloc(a, bytes)))
        return false;
    memcpy(t.data, g->x ? (const void *)g->x : g->ids, bytes);
    c->in[c->in_count++] = (Entry){ g->name, t };
    return true;
}

bool weights_case_make(const WeightsForm *f, Hyperparameters *v, LossCase *c, Arena *a, Error *e)
{
    const Method *m = method_find(f->method);
    *c = (LossCase){ .in_count = 0 };
    if (!m || !hyperparameters_make(v, m, NULL, e) || !hyperparameters_apply(v, f->variants, e))
        return error_set(e, "record: %s is not a form of a method", f->id);
    for (size_t k = 0; k < WEIGHTS_INPUTS && f->in[k].name; k++)
        if (!given(c, &f->in[k], a))
            return false;
    return f->answer(v, c, a, e) && !e->failed;
}
