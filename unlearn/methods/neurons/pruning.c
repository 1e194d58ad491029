/* SPDX-License-Identifier: MIT */
/* Pruning of neurons (manu, Liu et al. 2025): neurons that matter for the forget set and not for the retain set are
 * zeroed (one form scales them by 0.9). This needs forward passes only.
 *
 * pruning.h states the scores of the five forms. This file has the two forms that compare pictures with text, and the
 * method's record. What the paper leaves open is fixed here: all MLPs of the language model take part, sums run in the
 * order of samples and rows, and where scores are equal, the lower layer and then the lower channel comes first. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "tensor/base/team.h"
#include "unlearn/methods/neurons/pruning.h"

#define LANGUAGE "language_model.model.layers"
enum { GRAIN = 8 };                     // the least number of channels in one part of the threads' work (team.h)

/* The first or the last node that a module of an MLP recorded on the tape. */
static const Node *recorded(const Tape *t, const char *layers, size_t layer, const char *name, bool last)
{
    char module[160];
    const Node *found = NULL;
    snprintf(module, sizeof module, "%s.%zu.mlp.%s", layers, layer, name);
    for (size_t k = 0; k < t->count && (last || !found); k++)
        if (t->nodes[k]->op && t->nodes[k]->module && strcmp(t->nodes[k]->module, module) == 0)
            found = t->nodes[k];
    return found;
}

const Node *mlp_map_output(const Tape *t, const char *layers, size_t layer, const char *name)
{
    return recorded(t, layers, layer, name, true);
}

const Node *mlp_map_input(const Tape *t, const char *layers, size_t layer, const char *name)
{
    const Node *map = recorded(t, layers, layer, name, false);
    return map ? map->in[0] : NULL;
}

/* How the two forms that compare pictures with text differ. */
typedef struct {
    bool last_token;                    // only the last row of a sample is measured
    double (*score)(const ManuSums forget[2], const ManuSums retain[2]);
    float keep;                         // the factor of a neuron's column in down_proj; 0: its rows in gate_proj and
                                        // up_proj are zeroed too
} Contrast;

static Contrast contrast_of(const Hyperparameters *v)
{
    return v->manu_form == MANU_PORT ? (Contrast){ true, manu_port_score, 0.9f } : (Contrast){ false, manu_score, 0 };
}

/* The arguments of channels_part: it adds the rows of h [tokens, channels] to the sums of each channel. */
typedef struct { ManuSums *sums; const float *h; size_t tokens, channels; ManuCount count; } Channels;

static void channels_part(const void *context, size_t begin, size_t end, size_t worker)
{
    const Channels *c = context;
    (void)worker;
    for (size_t k = begin; k < end; k++)
        manu_add(&c->sums[k], c->h, c->tokens, c->channels, k, c->count);
}

/* Runs the model on one sample and adds its activations to the sums of all neurons: layer by layer, `channels` each. */
static bool observe(const MethodRun *x, const Model *frozen, const BatchSample *sample, ManuSums *sums, size_t channels,
                    Error *e)
{
    Arena a = arena_make(e);
    Tape t = tape_make(&a, e);
    Batch b;
    const Contrast c = contrast_of(x->hyper);
    const ManuCount count = { .tau = x->hyper->tau, .positive = x->hyper->manu_form == MANU_PORT };
    size_t layers = (size_t)x->model->config.text.num_hidden_layers;
    Params p = params_make(&t, frozen);
    bool good = !e->failed && batch_pack(&b, sample, 1, ROWS_SUPERVISED, &x->model->config, &a, e);
    if (good)
        model_forward(&t, &p, &b);
    good = !e->failed;
    for (size_t l = 0; good && l < layers; l++) {
        const Node *h = mlp_map_input(&t, LANGUAGE, l, "down_proj");
        if (!(good = h != NULL || error_set(e, "manu: layer %zu has no down_proj", l)))
            break;
        const size_t first = c.last_token ? b.tokens - 1 : 0;
        const Channels all = { sums + l * channels, h->out.f32 + first * channels, b.tokens - first, channels, count };
        team_run(channels, GRAIN, channels_part, &all, e);
    }
    arena_free(&a);
    return good;
}

/* Neuron k of a layer is row k of gate_proj, row k of up_proj, and column k of down_proj. With keep 0 all three become
 * zero; else only the column is changed, to RN(keep w). */
static bool edit_neuron(Weights *w, size_t layer, size_t k, float keep, Error *e)
{
    static const char *const names[] = { "gate_proj", "up_proj", "down_proj" };
    for (int i = keep == 0 ? 0 : 2; i < 3; i++) {
        char name[128];
        snprintf(name, sizeof name, LANGUAGE ".%zu.mlp.%s.weight", layer, names[i]);
        Weight *weight = weights_find(w, name);
        if (!weight || !weights_own(w, weight, e))
            return error_set(e, "manu: there is no weight %s", name);
        size_t rows = weight->tensor.shape.dim[0], cols = weight->tensor.shape.dim[1];
        if (i < 2)
            memset(weight->tensor.f32 + k * cols, 0, cols * sizeof(float));
        for (size_t r = 0; i == 2 && r < rows; r++)
            weight->tensor.f32[r * cols + k] = keep == 0 ? 0 : keep * weight->tensor.f32[r * cols + k];
    }
    return true;
}

static bool scores_finite(const double *score, size_t n, Error *e)
{
    for (size_t k = 0; k < n; k++)
        if (!isfinite(score[k]))
            return error_set(e, "manu: the score of neuron %zu is not finite, expected a model with finite "
                                "activations", k);
    return true;
}

static bool contrast_edit(const MethodRun *x)
{
    Error *e = x->error;
    const size_t channels = (size_t)x->model->config.text.intermediate_size;
    const size_t n = channels * (size_t)x->model->config.text.num_hidden_layers;
    const Contrast c = contrast_of(x->hyper);
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
        score[k] = c.score((ManuSums[]){ sums[0][0][k], sums[0][1][k] }, (ManuSums[]){ sums[1][0][k], sums[1][1][k] });
    if (!e->failed && scores_finite(score, n, e) && scores_rank(score, n, order, &a))
        for (size_t k = 0; k < (size_t)((double)x->hyper->percent * (double)n / 100) && !e->failed; k++)
            edit_neuron(x->model->weights, order[k] / channels, order[k] % channels, c.keep, e);
    arena_free(&a);
    return !e->failed;
}

static bool manu_edit(const MethodRun *x)
{
    const int form = x->hyper->manu_form;
    return form == MANU_PAPER || form == MANU_PORT ? contrast_edit(x) : manu_ratio_edit(x);
}

const Method method_manu = {
    .name = "manu", .label = "MANU", .source = "Liu et al. 2025 (MANU, modality-aware neuron unlearning)",
    .formula = { .variants = "manu_form = mip_editor measures the last token, with signed means, and scales neurons by 0.9; official, "
                             "open_mm and cmju prune outputs of the linear maps in the last layers of both towers by the ratio of "
                             "forget and retain, and prune more where scores tie",
                 .notes = "There is no gradient: the floor(percent neurons/100) neurons of the language model's MLPs with the highest "
                          "I(forget)/(I(retain) + 1e-8) are zeroed, I = I_abs + I_freq + I_var + I_rms of their activations with and "
                          "without a picture, in binary64 as written in unlearn/methods/neurons/pruning.h; ties by layer, then channel" },
    .needs = NEEDS_FORGET | NEEDS_RETAIN, .edit = manu_edit,
};
