/* SPDX-License-Identifier: MIT */
/* MANU: neurons that answer for the forget set and not for the retain set are zeroed. Forward passes only.
 *
 * A neuron is one channel of the h = act(gate) up of a language layer. Statistics of a set and a modality (samples with a picture: m,
 * without: t), over all token rows of its samples in list order, in IEEE binary64 host arithmetic in this order:
 *     A = sum |z|, Q = sum z^2, S = sum z, F = number of |z| > tau, n rows; each sum from the first row to the last;
 *     a = A/n, q = Q/n, f = F/n, var = Q/n - (S/n)(S/n), 0 when that is below 0; all 0 for a modality without samples
 * eps = 1e-8 (binary64), and with them
 *     I = |a_m - a_t|/(a_m + a_t + eps) + |f_m - f_t|/(f_m + f_t + eps) + sqrt(var_m + var_t) + sqrt(|q_m - q_t|/(q_m + q_t + eps))
 *     score = I(forget)/(I(retain) + eps)
 * The floor(percent/100 neurons) highest scores are zeroed: rows of gate_proj and up_proj, columns of down_proj. A tie goes to the
 * lower layer, then to the lower channel. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "unlearn/methods/pruning.h"

#define EPS 1e-8

static void sums_add(ManuSums *s, const float *z, size_t rows, size_t channels, size_t k, double tau)
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

/* Merges two ascending runs of `order`: higher score first, then the lower place. */
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

/* The h of a layer: what its down_proj multiplies. */
static const Node *neurons_of(const Tape *t, size_t layer)
{
    char name[128];
    snprintf(name, sizeof name, "param.language_model.model.layers.%zu.mlp.down_proj.weight", layer);
    for (size_t k = 0; k < t->count; k++)
        if (t->nodes[k]->n_in >= 2 && t->nodes[k]->in[1]->name && strcmp(t->nodes[k]->in[1]->name, name) == 0)
            return t->nodes[k]->in[0];
    return NULL;
}

static bool observe(const MethodEdit *x, const Model *frozen, const BatchSample *sample, ManuSums *sums, size_t channels, Error *e)
{
    Arena a = arena_make(e);
    Tape t = tape_make(&a, e);
    Batch b;
    size_t layers = (size_t)x->model->config.text.num_hidden_layers;
    Params p = params_make(&t, frozen);
    bool good = !e->failed && batch_pack(&b, sample, 1, ROWS_SUPERVISED, &x->model->config, &a, e);
    if (good)
        llava_forward(&t, &p, &b);
    good = !e->failed;
    for (size_t l = 0; good && l < layers; l++) {
        const Node *h = neurons_of(&t, l);
        if (!(good = h != NULL || error_set(e, "manu: layer %zu has no down_proj", l)))
            break;
        #pragma omp parallel for schedule(static)
        for (size_t k = 0; k < channels; k++)
            sums_add(&sums[l * channels + k], h->out.f32, b.tokens, channels, k, x->v->tau);
    }
    arena_free(&a);
    return good;
}

static bool zero_neuron(Weights *w, size_t layer, size_t k, Error *e)
{
    static const char *const names[] = { "gate_proj", "up_proj", "down_proj" };
    for (int i = 0; i < 3; i++) {
        char name[128];
        snprintf(name, sizeof name, "language_model.model.layers.%zu.mlp.%s.weight", layer, names[i]);
        Weight *one = weights_find(w, name);
        if (!one || !weights_own(w, one, e))
            return error_set(e, "manu: there is no weight %s", name);
        size_t rows = one->tensor.shape.dim[0], cols = one->tensor.shape.dim[1];
        if (i < 2)
            memset(one->tensor.f32 + k * cols, 0, cols * sizeof(float));
        for (size_t r = 0; i == 2 && r < rows; r++)
            one->tensor.f32[r * cols + k] = 0;
    }
    return true;
}

static bool manu_edit(const MethodEdit *x, Error *e)
{
    size_t channels = (size_t)x->model->config.text.intermediate_size, n = channels * (size_t)x->model->config.text.num_hidden_layers;
    Arena a = arena_make(e);
    ManuSums *sums[2][2];                                   // [forget, retain][picture, text]
    double *score = arena_array(&a, n, sizeof *score);
    uint32_t *order = arena_array(&a, n, sizeof *order);
    for (int k = 0; k < 4; k++)
        sums[k / 2][k % 2] = arena_zalloc(&a, n * sizeof(ManuSums));
    Model *frozen = model_freeze(x->model, false, &a, e);
    for (int set = 0; set < 2; set++)
        for (size_t k = 0; frozen && k < x->role[set].count && !e->failed; k++) {
            const BatchSample *s = &x->role[set].list[k];
            observe(x, frozen, s, sums[set][s->pixels == NULL], channels, e);
        }
    for (size_t k = 0; k < n && !e->failed; k++)
        score[k] = manu_score((ManuSums[]){ sums[0][0][k], sums[0][1][k] }, (ManuSums[]){ sums[1][0][k], sums[1][1][k] });
    if (!e->failed && manu_rank(score, n, order, &a))
        for (size_t k = 0; k < (size_t)((double)x->v->percent * (double)n / 100) && !e->failed; k++)
            zero_neuron(x->model->weights, order[k] / channels, order[k] % channels, e);
    arena_free(&a);
    return !e->failed;
}

const Method method_manu = {
    .name = "manu", .source = "Liu et al. 2025 (MANU, modality-aware neuron unlearning)",
    .formula = "no gradient: the floor(percent neurons/100) neurons of the language model's MLPs with the highest I(forget)/(I(retain) + 1e-8) are zeroed, "
               "I = I_abs + I_freq + I_var + I_rms of their activations with and without a picture, in binary64 as written in unlearn/manu.c; ties by layer, then channel",
    .needs = NEEDS_FORGET | NEEDS_RETAIN, .edit = manu_edit,
};
