/* SPDX-License-Identifier: MIT */
/* The groups of cmju: for which modality each trained tensor matters. cmju.h states how that is decided. */
#include "model/training/cross_entropy.h"
#include "unlearn/fisher.h"
#include "unlearn/methods/cmju.h"
#include "unlearn/methods/neurons/pruning.h"

/* The largest of x, plus 1e-12 so that it can be a divisor. */
static double divisor(const double *x, size_t n)
{
    double most = 0;
    for (size_t k = 0; k < n; k++)
        most = x[k] > most ? x[k] : most;
    return most + 1e-12;
}

bool cmju_partition(const double *text, const double *picture, size_t n, double share, double margin, CmjuGroup *group,
                    Arena *a)
{
    double *both = arena_array(a, n, sizeof *both), divisor_t = divisor(text, n), divisor_m = divisor(picture, n);
    uint32_t *order = arena_array(a, n, sizeof *order);
    if (!both || !order)
        return false;
    for (size_t k = 0; k < n; k++) {
        both[k] = text[k] / divisor_t + picture[k] / divisor_m;
        group[k] = CMJU_FROZEN;
    }
    if (!scores_rank(both, n, order, a))
        return false;
    const size_t salient = (size_t)((double)n * share);
    for (size_t i = 0; i < (salient ? salient : 1) && i < n; i++) {
        const size_t k = order[i];
        const double s_t = text[k] / divisor_t, s_m = picture[k] / divisor_m, r = s_t / (s_t + s_m + 1e-12);
        group[k] = r > 0.5 + margin ? CMJU_TEXT : r < 0.5 - margin ? CMJU_PICTURE : CMJU_SHARED;
    }
    return true;
}

/* Adds the mean square of each tensor's gradient of CE on one sample, divided by the number of samples. */
static bool add_saliency(const MethodRun *run, Weight *const *w, size_t n, const BatchSample *sample, size_t samples, double *saliency)
{
    Arena a = arena_make(run->error);
    Tape t = tape_make(&a, run->error);
    Batch b;
    Params p = params_make(&t, run->model);
    const bool good = cross_entropy_gradients(&t, &p, &b, sample, 1);
    for (size_t k = 0; k < n && good; k++) {
        const Node *g = trainable_gradient(&p, w[k]);
        const size_t size = g ? shape_size(g->out.shape) : 0;
        double sum = 0;
        for (size_t i = 0; i < size; i++)
            sum += (double)g->out.f32[i] * (double)g->out.f32[i];
        saliency[k] += size ? sum / (double)size / (double)samples : 0;
    }
    arena_free(&a);
    return good;
}

static double *saliency_of(const MethodRun *run, Role role, size_t n)
{
    const SampleList *list = &run->role[role];
    double *saliency = arena_zalloc(run->arena, n * sizeof *saliency);
    Weight **w = arena_array(run->arena, n, sizeof *w);
    bool good = saliency && w;
    for (size_t k = 0; good && k < n; k++)
        w[k] = trainable_at(run->model, k);
    for (size_t i = 0; good && i < list->count; i++)
        good = add_saliency(run, w, n, &list->list[i], list->count, saliency);
    return good ? saliency : NULL;
}

Cmju *cmju_groups(const MethodRun *run)
{
    const Hyperparameters *v = run->hyper;
    const size_t n = trainable_count(run->model);
    Cmju *c = arena_alloc(run->arena, sizeof *c);
    CmjuGroup *group = arena_array(run->arena, n, sizeof *group);
    const double *text = c && group ? saliency_of(run, ROLE_FORGET_TEXT, n) : NULL;
    const double *picture = text ? saliency_of(run, ROLE_FORGET, n) : NULL;
    if (!picture || !cmju_partition(text, picture, n, (double)v->salient_share, (double)v->share_margin, group, run->arena))
        return NULL;
    *c = (Cmju){ n, group };
    return c;
}
