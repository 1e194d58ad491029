/* SPDX-License-Identifier: MIT */
/* CMJU: unlearning in both modalities at once, with gradients that are balanced between pictures and text.
 *
 *     a forget step    L = -CE(forget, pictures) - CE(forget, text), whose gradients g_m and g_t are kept apart
 *                      g = c (g_t + q g_m), q = (|g_t| + eps) / (|g_m| + eps), eps = 1e-8
 *     a retain step    L = alpha CE(retain)
 *
 * Only the salient tensors (cmju.h) change; all others are frozen. |.| is the norm over all salient tensors. c is
 * shared_weight for tensors that both modalities share, and 1 for the others. Then the gradients of the text group, of
 * norm n_t, and of the picture group, of norm n_m, are pulled towards the mean norm a = (n_t + n_m)/2:
 * g = max(1/10, 1 + balance (a/n - 1)) g, where n is n_t or n_m. This is done only if each group has at least five
 * tensors and a norm of at least eps.
 *
 * Differences to the public code, with the defaults:
 *     public code                                                here
 *     adds the mean gradient of four retain batches to the       four retain steps follow a forget step; schedule =
 *     forget gradient, in one update                             joint: adds the gradient of one retain batch
 *     measures the saliency on refusals                          measures the saliency on the answers
 *     stops after an epoch whose mean retain loss exceeds 30     stops after a step whose retain loss exceeds 30 */
#include "unlearn/methods/cmju.h"

#include <stdio.h>
#include "tensor/ops.h"

#define EPS 1e-8f
enum { LEAST_GROUP = 5 };

/* memory[0]: CE(retain) of the last step that read retained samples. */
static Node *cmju_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    plus_ce(&loss, ROLE_FORGET, -1);
    plus_ce(&loss, ROLE_FORGET_TEXT, -1);
    plus_ce(&loss, ROLE_RETAIN, s->hyper->alpha);
    const Node *ce = has(s, ROLE_RETAIN) ? batch_ce(s, &s->part[ROLE_RETAIN], s->part[ROLE_RETAIN].z) : NULL;
    if (ce)
        s->memory[0] = ce->out.f32[0];
    return loss.sum;
}

static const char *cmju_stop(const Hyperparameters *hyper, const float memory[METHOD_MEMORY], Arena *a)
{
    return memory[0] > hyper->stop_retain ? arena_format(a, "CE(retain) of the last step is %g, above "
                                                            "unlearn.stop_retain, %g", (double)memory[0],
                                                         (double)hyper->stop_retain)
                                          : NULL;
}

static bool cmju_begin(const MethodRun *run, void **state)
{
    return (*state = cmju_groups(run)) != NULL;
}

/* --- the gradients --- */

/* The norm of the gradients of the tensors of a group, or, for CMJU_FROZEN, of all tensors that are not frozen. *size
 * becomes the number of the tensors, those without a gradient included. */
static float norm_of(Tape *t, Node *const *gradients, const Cmju *c, CmjuGroup group, size_t *size)
{
    Node **list = arena_array(t->arena, c->count, sizeof *list);
    size_t n = 0;
    *size = 0;
    for (size_t k = 0; list && k < c->count; k++) {
        if (group == CMJU_FROZEN ? c->group[k] == CMJU_FROZEN : c->group[k] != group)
            continue;
        ++*size;
        if (gradients[k])
            list[n++] = gradients[k];
    }
    const Node *norm = n ? op_square_norm(t, n, list) : NULL;
    return norm ? norm->out.f32[0] : 0;
}

/* Scales the gradients of a group, so that their norm comes closer to `target`. */
static void pull(Tape *t, const Gradients *g, const Cmju *c, CmjuGroup group, float norm, float target, float balance)
{
    const float pulled = 1 + balance * (target / norm - 1), factor = pulled > 0.1f ? pulled : 0.1f;
    for (size_t k = 0; k < c->count; k++)
        if (c->group[k] == group && g->sum[k])
            g->sum[k] = op_scale(t, g->sum[k], factor);
}

bool cmju_forget(MethodStep *s, const Gradients *g, const Cmju *c)
{
    Tape *t = s->tape;
    Node *const *text = g->of[ROLE_FORGET_TEXT], *const *picture = g->of[ROLE_FORGET];
    Node **none = arena_zalloc(t->arena, c->count * sizeof *none);
    size_t texts, pictures;
    if (!none)
        return false;
    text = text ? text : none, picture = picture ? picture : none;
    const float all_t = norm_of(t, text, c, CMJU_FROZEN, &texts),
                all_m = norm_of(t, picture, c, CMJU_FROZEN, &pictures);
    const float q = (all_t + EPS) / (all_m + EPS);
    for (size_t k = 0; k < c->count; k++) {
        Node *x = text[k] && picture[k] ? op_axpy(t, text[k], picture[k], q)
                : picture[k]            ? op_scale(t, picture[k], q)
                                        : text[k];
        g->sum[k] = c->group[k] == CMJU_FROZEN || !x ? NULL
                  : c->group[k] == CMJU_SHARED       ? op_scale(t, x, s->hyper->shared_weight)
                                                     : x;
    }
    const float n_t = norm_of(t, g->sum, c, CMJU_TEXT, &texts), n_m = norm_of(t, g->sum, c, CMJU_PICTURE, &pictures);
    if (n_t < EPS || n_m < EPS || texts < LEAST_GROUP || pictures < LEAST_GROUP)
        return !t->error->failed;
    const float target = (n_t + n_m) / 2;
    pull(t, g, c, CMJU_TEXT, n_t, target, s->hyper->balance);
    pull(t, g, c, CMJU_PICTURE, n_m, target, s->hyper->balance);
    return !t->error->failed;
}

static bool cmju_gradients(MethodStep *s, const Gradients *g)
{
    const Cmju *c = s->state;
    Node *const *retain = g->of[ROLE_RETAIN];
    const bool forgets = g->of[ROLE_FORGET] || g->of[ROLE_FORGET_TEXT];
    if (forgets && !cmju_forget(s, g, c))
        return false;
    for (size_t k = 0; k < g->count && retain; k++) {
        Node *r = c->group[k] == CMJU_FROZEN ? NULL : retain[k];
        g->sum[k] = forgets && g->sum[k] && r ? op_add(s->tape, g->sum[k], r) : forgets && g->sum[k] ? g->sum[k] : r;
    }
    return !s->tape->error->failed;
}

const Method method_cmju = {
    .name = "cmju", .label = "CMJU", .source = "CMJU, cross-modal joint unlearning (public code of 2026)",
    .formula = { .loss = "a forget step: L = -CE(forget, pictures) - CE(forget, text); a retain step: L = alpha CE(retain)",
                 .gradient = "dL/dz = c (p - e_y), c = -1/N on forget, alpha/N on retain; the gradients of weights are those of "
                             "salient tensors alone, in a forget step g = c RN(g_t + q g_m), q = RN(RN(|g_t| + 1e-8) / RN(|g_m| + "
                             "1e-8)), c = shared_weight where text and pictures share the tensor, else 1",
                 .notes = "The tensors of text alone and those of pictures alone, where each are at least five, are then scaled by "
                          "max(0.1, 1 + balance (t/n - 1)), n the norm of the group and t the mean of both norms. "
                          "unlearn/methods/cmju.h states the groups. The request ends after a step whose CE(retain) exceeds "
                          "stop_retain" },
    .defaults = "schedule=interleaved retain_steps=4",
    .needs = NEEDS_FORGET | NEEDS_FORGET_TEXT | NEEDS_RETAIN | GRADIENTS_APART, .begin = cmju_begin, .loss = cmju_loss,
    .gradients = cmju_gradients, .stop = cmju_stop,
};
