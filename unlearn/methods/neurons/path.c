/* SPDX-License-Identifier: MIT */
#include "unlearn/methods/neurons/path.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "model/training/cross_entropy.h"
#include "tensor/base/team.h"
#include "tensor/ops.h"
#include "unlearn/methods/neurons/pruning.h"

enum { GRAIN = 4096 };                  // the least number of activations in one part of the threads' work (team.h)
enum { BATCHES = 4 };                   // how many batches path_find_by_batch scores

#define VISION "vision_tower.vision_model.encoder.layers"
#define LANGUAGE "language_model.model.layers"

bool path_make(Path *p, const Model *m, Arena *a, Error *e)
{
    const size_t vision = config_vision_layers(&m->config), language = (size_t)m->config.text.num_hidden_layers;
    // An activation has a gradient if a trainable weight comes before it: in each tower, one norm before all its MLPs.
    static const char *const roots[] = { VISION ".0.layer_norm1.weight", LANGUAGE ".0.input_layernorm.weight" };
    *p = (Path){ .count = vision + language, .vision = vision, .arena = a, .error = e };
    p->model = model_freeze(m, false, a, e);
    p->mlp = arena_zalloc(a, p->count * sizeof *p->mlp);
    for (size_t k = 0; p->model && p->mlp && k < p->count; k++) {
        const bool visual = k < vision;
        const size_t width = (size_t)(visual ? m->config.vision.intermediate_size : m->config.text.intermediate_size);
        p->mlp[k] = (Mlp){ .layers = visual ? VISION : LANGUAGE, .out = visual ? "fc2" : "down_proj",
                           .layer = visual ? k : k - vision, .width = width,
                           .score = arena_zalloc(a, width * sizeof(double)),
                           .on = arena_zalloc(a, width * sizeof(bool)) };
    }
    for (size_t k = 0; k < 2 && !e->failed; k++) {
        Weight *root = weights_find(p->model->weights, roots[k]);
        if (!root)
            return error_set(e, "mip_editor: there is no weight %s", roots[k]);
        root->trainable = true;
    }
    return !e->failed;
}

/* The activations of an MLP's neurons. */
static const Node *activations(const Path *p, const Tape *t, const Mlp *m)
{
    const Node *h = mlp_map_input(t, m->layers, m->layer, m->out);
    if (!h)
        error_set(p->error, "mip_editor: layer %zu of %s has no map %s, expected one", m->layer, m->layers, m->out);
    return h;
}

/* The output of a down_proj is linear in its weight W together with B of each adapter beside it: if all of these are
 * multiplied by a number, so is the output. These are the tensors W and B of every down_proj of the language model:
 * `kept` as they were, `to` with room for their multiples. */
typedef struct { Weight **list; Tensor *kept, *to; size_t count; } Grown;

/* Adds a tensor, with a place for its scaled copy. */
static bool grown_add(Grown *g, Weight *w, Arena *a)
{
    g->list[g->count] = w;
    g->kept[g->count] = w->tensor;
    g->to[g->count] = tensor_f32(a, w->tensor.shape);
    return g->to[g->count++].f32 != NULL;
}

static bool grown_make(Grown *g, const Path *p)
{
    const Model *m = p->model;
    const size_t most = p->count - p->vision + (m->lora ? m->lora->count : 0);
    *g = (Grown){ arena_array(p->arena, most, sizeof *g->list), arena_array(p->arena, most, sizeof *g->kept),
                  arena_array(p->arena, most, sizeof *g->to), 0 };
    bool good = g->list && g->kept && g->to;
    for (size_t k = p->vision; good && k < p->count; k++) {
        char name[160];
        const int n = snprintf(name, sizeof name, LANGUAGE ".%zu.mlp.down_proj.weight", p->mlp[k].layer);
        Weight *w = weights_find(m->weights, name);
        if (!w)
            return error_set(p->error, "mip_editor: there is no weight %s", name);
        good = grown_add(g, w, p->arena);
        name[n - (int)strlen(".weight")] = 0;
        for (const LoraPair *one = lora_find(m->lora, name); good && one; one = one->next)
            good = grown_add(g, one->b, p->arena);
    }
    return good;
}

/* Replaces each tensor x by RN(a x), as fp32; with a = 1, puts back the kept one. */
static void scale(const Grown *g, float a)
{
    for (size_t k = 0; k < g->count; k++) {
        const size_t n = shape_size(g->to[k].shape);
        g->list[k]->tensor = g->kept[k];
        if (a == 1)
            continue;
        tensor_widen(&g->kept[k], 0, n, g->to[k].f32);
        for (size_t i = 0; i < n; i++)
            g->to[k].f32[i] *= a;
        g->list[k]->tensor = g->to[k];
    }
}

/* The arguments of path_add_integral. */
typedef struct { Mlp *m; const float *h, *g; double *sum; size_t rows; float a; } Integral;

static void integral_part(const void *context, size_t begin, size_t end, size_t worker)
{
    const Integral *i = context;
    (void)worker;
    for (size_t k = begin; k < end; k++)
        for (size_t r = 0; r < i->rows; r++) {
            const size_t at = r * i->m->width + k;
            i->sum[at] += i->g ? (double)i->g[at] / (double)i->a : 0;
            if (i->a == 1)
                i->m->score[k] -= (double)i->h[at] * (i->sum[at] / PATH_POINTS);
        }
}

void path_add_integral(Mlp *m, const float *h, const float *g, double *sum, size_t rows, float a)
{
    team_run(m->width, team_grain(GRAIN, rows), integral_part, &(Integral){ m, h, g, sum, rows, a }, NULL);
}

static const float *gradient_of(const Node *h) { return h->grad ? h->grad->out.f32 : NULL; }

bool path_integrated(Path *p, const BatchSample *samples, size_t count)
{
    const size_t layers = p->count - p->vision;
    const ArenaMark mark = arena_mark(p->arena);
    double **sum = arena_zalloc(p->arena, layers * sizeof *sum);
    Grown grown = { .count = 0 };
    bool good = grown_make(&grown, p) && sum;
    for (int j = 1; j <= PATH_POINTS && good; j++) {
        Arena a = arena_make(p->error);
        Tape t = tape_make(&a, p->error);
        Batch b;
        scale(&grown, (float)j / PATH_POINTS);
        Params params = params_make(&t, p->model);
        good = cross_entropy_gradients(&t, &params, &b, samples, count);
        for (size_t l = 0; l < layers && good; l++) {
            Mlp *m = &p->mlp[p->vision + l];
            const Node *h = activations(p, &t, m);
            if (!sum[l])
                sum[l] = arena_zalloc(p->arena, b.tokens * m->width * sizeof(double));
            if ((good = h && sum[l]))
                path_add_integral(m, h->out.f32, gradient_of(h), sum[l], b.tokens, (float)j / PATH_POINTS);
        }
        arena_free(&a);
    }
    if (grown.count)
        scale(&grown, 1);
    arena_release(p->arena, mark);
    return good && !p->error->failed;
}

/* The arguments of path_add_products. */
typedef struct { Mlp *m; const float *x, *g; const int32_t *rows; size_t n; } Products;

static void products_part(const void *context, size_t begin, size_t end, size_t worker)
{
    const Products *p = context;
    (void)worker;
    for (size_t k = begin; k < end; k++) {
        double sum = 0;
        for (size_t r = 0; r < p->n && p->g; r++) {
            const size_t at = (p->rows ? (size_t)p->rows[r] : r) * p->m->width + k;
            sum += fabs((double)p->x[at] * (double)p->g[at]);
        }
        p->m->score[k] += sum / (double)p->n;
    }
}

void path_add_products(Mlp *m, const float *x, const float *g, const int32_t *rows, size_t n)
{
    team_run(m->width, team_grain(GRAIN, n), products_part, &(Products){ m, x, g, rows, n }, NULL);
}

/* Adds the scores of a batch (path.h). squared: those of path_squared, in the vision tower; else those of
 * path_product. */
static bool score_batch(Path *p, const BatchSample *samples, size_t count, bool squared)
{
    Arena a = arena_make(p->error);
    Tape t = tape_make(&a, p->error);
    Batch b;
    Params params = params_make(&t, p->model);
    bool good = cross_entropy_gradients(&t, &params, &b, samples, count);
    for (size_t k = good && b.pictures ? 0 : p->vision; good && k < (squared ? p->vision : p->count); k++) {
        Mlp *m = &p->mlp[k];
        const bool visual = k < p->vision;
        const Node *h = activations(p, &t, m);
        if ((good = h != NULL))
            path_add_products(m, squared ? gradient_of(h) : h->out.f32, gradient_of(h), visual ? NULL : b.rows,
                              visual ? shape_size(h->out.shape) / m->width : b.row_count);
    }
    arena_free(&a);
    return good && !p->error->failed;
}

bool path_squared(Path *p, const BatchSample *samples, size_t count) { return score_batch(p, samples, count, true); }
bool path_product(Path *p, const BatchSample *samples, size_t count) { return score_batch(p, samples, count, false); }

bool path_choose(Path *p, size_t first, size_t last, size_t k)
{
    for (size_t i = first; i < last; i++) {
        Mlp *m = &p->mlp[i];
        uint32_t *order = arena_array(p->arena, m->width, sizeof *order);
        if (!order || !scores_rank(m->score, m->width, order, p->arena))
            return false;
        for (size_t j = 0; j < k && j < m->width; j++)
            m->on[order[j]] = true;
        memset(m->score, 0, m->width * sizeof *m->score);
    }
    return true;
}

bool path_find_by_sample(Path *p, const SampleList *forget, size_t k, bool each)
{
    for (size_t i = 0; i < forget->count; i++) {
        const bool visual = forget->list[i].pixels != NULL;
        if (!(visual ? path_squared : path_integrated)(p, &forget->list[i], 1)
            || (each && !path_choose(p, visual ? 0 : p->vision, visual ? p->vision : p->count, k)))
            return false;
    }
    return each || path_choose(p, 0, p->count, k);
}

bool path_find_by_batch(Path *p, const SampleList *forget, size_t batch, size_t k)
{
    for (size_t i = 0; i < BATCHES && i * batch < forget->count; i++) {
        const size_t left = forget->count - i * batch;
        if (!path_product(p, forget->list + i * batch, left < batch ? left : batch))
            return false;
    }
    return path_choose(p, 0, p->count, k);
}
