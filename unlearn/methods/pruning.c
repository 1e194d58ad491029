/* SPDX-License-Identifier: MIT */
/* Pruning of neurons (manu, Liu et al. 2025): neurons that answer for the forget set and not for the retain set are
 * zeroed. It takes forward passes only.
 *
 * pruning.h states the score. What the paper leaves open is fixed here: all MLPs of the language model take part, sums run in the
 * order of samples and rows, and a tie goes to the lower layer and then to the lower channel. */
#include <stdio.h>
#include <string.h>
#include "unlearn/methods/pruning.h"

/* The neurons h [T, C] of a layer: what its down_proj multiplies, found on the tape of a forward pass. */
static const Node *neurons_of(const Tape *t, size_t layer)
{
    char name[128];
    snprintf(name, sizeof name, "param.language_model.model.layers.%zu.mlp.down_proj.weight", layer);
    for (size_t k = 0; k < t->count; k++)
        if (t->nodes[k]->n_in >= 2 && t->nodes[k]->in[1]->name && strcmp(t->nodes[k]->in[1]->name, name) == 0)
            return t->nodes[k]->in[0];
    return NULL;
}

/* Runs the model on one sample and adds its activations to the sums of all neurons (layer-major, `channels` a layer). */
static bool observe(const MethodRun *x, const Model *frozen, const BatchSample *sample, ManuSums *sums, size_t channels,
                    Error *e)
{
    Arena a = arena_make(e);
    Tape t = tape_make(&a, e);
    Batch b;
    size_t layers = (size_t)x->model->config.text.num_hidden_layers;
    Params p = params_make(&t, frozen);
    bool good = !e->failed && batch_pack(&b, sample, 1, ROWS_SUPERVISED, &x->model->config, &a, e);
    if (good)
        model_forward(&t, &p, &b);
    good = !e->failed;
    for (size_t l = 0; good && l < layers; l++) {
        const Node *h = neurons_of(&t, l);
        if (!(good = h != NULL || error_set(e, "manu: layer %zu has no down_proj", l)))
            break;
        #pragma omp parallel for schedule(static)
        for (size_t k = 0; k < channels; k++)
            manu_add(&sums[l * channels + k], h->out.f32, b.tokens, channels, k, x->hyper->tau);
    }
    arena_free(&a);
    return good;
}

/* Neuron k of a layer is row k of gate_proj and up_proj and column k of down_proj. */
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

static bool manu_edit(const MethodRun *x)
{
    Error *e = x->error;
    const size_t channels = (size_t)x->model->config.text.intermediate_size;
    const size_t n = channels * (size_t)x->model->config.text.num_hidden_layers;
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
        for (size_t k = 0; k < (size_t)((double)x->hyper->percent * (double)n / 100) && !e->failed; k++)
            zero_neuron(x->model->weights, order[k] / channels, order[k] % channels, e);
    arena_free(&a);
    return !e->failed;
}

const Method method_manu = {
    .name = "manu", .label = "MANU", .source = "Liu et al. 2025 (MANU, modality-aware neuron unlearning)",
    .formula = { .notes = "There is no gradient: the floor(percent neurons/100) neurons of the language model's MLPs with the "
                          "highest I(forget)/(I(retain) + 1e-8) are zeroed, I = I_abs + I_freq + I_var + I_rms of their "
                          "activations with and without a picture, in binary64 as written in unlearn/methods/pruning.h; ties by "
                          "layer, then channel" },
    .needs = NEEDS_FORGET | NEEDS_RETAIN, .edit = manu_edit,
};
