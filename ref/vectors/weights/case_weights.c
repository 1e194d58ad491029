/* SPDX-License-Identifier: MIT */
#include "ref/vectors/weights/case_weights.h"

#include <string.h>
#include "tensor/ops.h"
#include "unlearn/fisher.h"
#include "unlearn/methods/cmju.h"
#include "unlearn/methods/smfa.h"
#include "unlearn/terms/terms.h"

Tensor weights_put(LossCase *c, const char *name, Dtype kind, Shape shape, Arena *a)
{
    Tensor t = { .shape = shape, .dtype = kind, .data = arena_zalloc(a, shape_size(shape) * sizeof(float)) };
    c->out[c->out_count++] = (Entry){ name, t };
    return t;
}

size_t weights_width(const LossCase *c) { return shape_cols(c->in[0].tensor.shape); }

/* --- smfa --- */

/* The unit U is 2^30, so that adding eps = 1e-8 to the norm of the anchor changes nothing even in binary64. The ratio
 * of the two norms is 4. The entries in order: a tie, which stays; an entry beyond the tie, which becomes zero; one of
 * the same sign; one within the limit; one without an anchor; one without a change; two within the limit. */
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

/* smfa.open_mm takes `change` as the change of pictures. The change of text has the same norm, and a factor of its own,
 * 10 (sculpt_text), so that its first entry is the tie. */
static const float before[] = { 5 * U, -3 * U, 2 * U, 7 * U, -6 * U, 4 * U, U, 9 * U },
                   change_text[] = { -40 * U, -41 * U, 40 * U, 21 * U, 8 * U, -15 * U, 5 * U, -428 * U };

static bool sculpt_both(const Hyperparameters *v, LossCase *c, Arena *a, Error *e)
{
    Tape t = tape_make(a, e);
    Node *sum[3] = { tape_input(&t, "before", c->in[0].tensor) }, *anchor = tape_input(&t, "a", c->in[3].tensor);
    for (size_t k = 1; k < 3; k++)
        sum[k] = smfa_sculpt(&t, tape_input(&t, "f", c->in[k].tensor), anchor, k == 1 ? v->sculpt : v->sculpt_text);
    Node *made = op_sum_n(&t, 3, sum);
    if (made)
        c->out[c->out_count++] = (Entry){ "weight", made->out };
    return made != NULL;
}

/* --- mmunlearner --- */

/* Among the pairs (fisher_f, fisher_p) are two ties, one of them of zeros, pairs below eps = 1e-15, and pairs with a
 * zero on one side. Among the pairs (below_f, below_p) are one of zeros, pairs with a zero on one side, and one whose
 * first number is below eps. */
static const float fisher_f[] = { 1, 2, 1, 0, 0x1p-60f, 0x1p-61f, 0, 0x1p-40f },
                   fisher_p[] = { 1, 1, 2, 0, 0x1p-61f, 0x1p-60f, 0x1p-40f, 0 },
                   below_f[] = { 1, 1, 3, 0, 0, 4, 0x1p-50f, 1 }, below_p[] = { 1, 4, 4, 0, 1, 0, 0x1p-40f, 1.5f };

static bool mask(const Hyperparameters *v, LossCase *c, Arena *a, Error *e)
{
    const Tensor y = weights_put(c, "mask", I32, c->in[0].tensor.shape, a);
    for (size_t i = 0; y.data && i < weights_width(c); i++)
        y.i32[i] = fisher_selects(c->in[0].tensor.f32[i], c->in[1].tensor.f32[i], v);
    return !e->failed;
}

/* --- cmju --- */

/* Tensors 6 and 7, counted from 0, are equally salient, but only one of them may be chosen. */
static const float saliency_t[] = { 8, 6, 2, 1, 0, 4, 2, 2, 0.5f, 1 }, saliency_m[] = { 1, 2, 4, 0.25f, 3, 2, 1, 1, 0.25f, 0.5f };

static bool groups(const Hyperparameters *v, LossCase *c, Arena *a, Error *e)
{
    const size_t n = weights_width(c);
    const Tensor y = weights_put(c, "group", I32, shape_of(1, n), a);
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

/* Twelve tensors of four weights: five of text, five of pictures, a shared and a frozen one. In the notation of cmju.c,
 * |g_t| = 8 and |g_m| = 4, so q = 2; the two groups then have the norms 4 and 8, and are scaled by 5/4 and 7/8. */
enum { TENSORS = 12 };
static const float text_g[] = { 2, 0, 0, 0, 0, 0, 0, 0, 4, -4, 0, 4, 0, -2, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4,
                                0, 0, 2, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, -1, 0, 0, 0, 0 },
                   picture_g[] = { 0, 0, 0, 0, 0, 1, 0, -1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, -1, 0, 2, 0,
                                   0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, -2, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0 };
static const int32_t group_of[TENSORS] = { CMJU_TEXT, CMJU_PICTURE, CMJU_SHARED, CMJU_TEXT, CMJU_PICTURE, CMJU_FROZEN,
                                           CMJU_TEXT, CMJU_PICTURE, CMJU_TEXT, CMJU_PICTURE, CMJU_TEXT, CMJU_PICTURE };

/* Ten tensors: four of text and four of pictures, which are too few to be balanced, a shared and a frozen one. Again
 * q = 2, and the norms are 4 and 8. */
enum { FEW = 10 };
static const float few_text[] = { 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 4, 0, 0, 0,
                                  0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 4, 2, 0, 0, 1, 2, 3, 4 },
                   few_picture[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0,
                                     0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 1, 1, 1, 0, 0, 2, 0 };
static const int32_t few_group[FEW] = { CMJU_TEXT, CMJU_TEXT, CMJU_TEXT, CMJU_TEXT, CMJU_PICTURE, CMJU_PICTURE, CMJU_PICTURE,
                                        CMJU_PICTURE, CMJU_SHARED, CMJU_FROZEN };

static bool forget(const Hyperparameters *v, LossCase *c, Arena *a, Error *e)
{
    const size_t count = c->in[0].tensor.shape.dim[0];
    const Shape shape = c->in[0].tensor.shape, row = shape_of(1, weights_width(c));
    Tape t = tape_make(a, e);
    MethodStep s = { .tape = &t, .hyper = v };
    Node *text[TENSORS], *picture[TENSORS], *sum[TENSORS];
    CmjuGroup group[TENSORS];
    Gradients g = { .count = count, .sum = sum, .of = { [ROLE_FORGET] = picture, [ROLE_FORGET_TEXT] = text } };
    for (size_t k = 0; k < count; k++) {
        text[k] = tape_input(&t, "t", tensor_view(c->in[0].tensor.f32 + k * weights_width(c), row));
        picture[k] = tape_input(&t, "m", tensor_view(c->in[1].tensor.f32 + k * weights_width(c), row));
        group[k] = (CmjuGroup)c->in[2].tensor.i32[k];
    }
    const Tensor y = weights_put(c, "gradient", F32, shape, a);
    if (e->failed || !cmju_forget(&s, &g, &(Cmju){ count, group }))
        return false;
    for (size_t k = 0; k < count; k++)
        if (sum[k])
            memcpy(y.f32 + k * weights_width(c), sum[k]->out.f32, tensor_bytes(sum[k]->out));
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

static const WeightsForm forms[] = {
    { "smfa.sculpt", "smfa", "sculpt=5",
      "SculptTies SculptSameSign SculptWithoutFactor SculptWithoutScale SculptScaleInverse SculptInverse",
      "unlearn/methods/smfa.h",
      "sculpted = change.forget, and 0 where change.forget change.anchor < 0 and l |change.anchor| < |change.forget|, l = RN(sculpt "
      "RN(|change.forget| / RN(|change.anchor| + 1e-8)))",
      { ROW("change.forget", change), ROW("change.anchor", anchor) }, sculpt },
    { "smfa.open_mm", "smfa", "smfa_form=open_mm", "SculptTies SculptMissing SculptTextFactor", "unlearn/methods/smfa.h",
      "weight = RN(before + f + t) added in this order, f = change.picture sculpted as in smfa.sculpt with sculpt, t = change.text with "
      "sculpt_text",
      { ROW("before", before), ROW("change.picture", change), ROW("change.text", change_text), ROW("change.anchor", anchor) },
      sculpt_both },
    { "mmunlearner.both", "mmunlearner", "threshold=1", "MaskStrict MaskInverse FisherEpsMissing", "unlearn/fisher.h",
      "mask = 1 where (fisher.forget + 1e-15) / (fisher.preserved + 1e-15) >= threshold, else 0",
      { ROW("fisher.forget", fisher_f), ROW("fisher.preserved", fisher_p) }, mask },
    { "mmunlearner.below", "mmunlearner", "threshold=0.5 fisher_eps=below", "FisherEpsBoth FisherThresholdMissing", "unlearn/fisher.h",
      "mask = 1 where fisher.forget / (fisher.preserved + 1e-15) >= threshold, else 0",
      { ROW("fisher.forget", below_f), ROW("fisher.preserved", below_p) }, mask },
    { "cmju.groups", "cmju", "salient_share=0.6", "SalientTies SaliencyUnscaled MarginMissing GroupsSwapped", "unlearn/methods/cmju.h",
      "group = 1 where text and pictures share a tensor, 2 where it is of text, 3 where it is of pictures, 0 where it is not salient",
      { ROW("saliency.text", saliency_t), ROW("saliency.picture", saliency_m) }, groups },
    { "cmju.forget", "cmju", "", "SharedOnce BalanceMissing PictureUnscaled TextScaled FrozenMoves", "unlearn/methods/cmju.h",
      "gradient = that of a forget step; each row is a tensor, and group is as in cmju.groups",
      { ROWS("gradient.text", 4, text_g), ROWS("gradient.picture", 4, picture_g), { "group", 0, TENSORS, NULL, group_of } }, forget },
    { "cmju.few", "cmju", "", "SharedOnce PictureUnscaled BalanceAlways", "unlearn/methods/cmju.h",
      "gradient = that of a forget step, as in cmju.forget: a group of fewer than five tensors is not balanced",
      { ROWS("gradient.text", 4, few_text), ROWS("gradient.picture", 4, few_picture), { "group", 0, FEW, NULL, few_group } }, forget },
    { "o3.overlap", "o3", "lambda=0.5", "OverlapAbsolute OverlapOfSum OverlapTransposed", "unlearn/terms/terms.h",
      "overlap = lambda sum_j |A_j A^T|^2, the sum of the squares of all elements, of the first factors A_j of earlier adapters; grad.a = "
      "its gradient in A", { ROWS("a", 3, factor), ROWS("earlier.1", 3, factor_1), ROWS("earlier.2", 3, factor_2) }, overlap },
};
enum { FORMS = sizeof forms / sizeof *forms };

const WeightsForm *weights_form(size_t k)
{
    return k < FORMS ? &forms[k] : k - FORMS < neuron_forms_count ? &neuron_forms[k - FORMS] : NULL;
}

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
