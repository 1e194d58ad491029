/* SPDX-License-Identifier: MIT */
/* The family of the methods that work on weights and neurons: the forms of MANU, the scores of MIP-Editor's path,
 * the sculpting of SMFA. */
#include "ref/digest/probe_model.h"
#include "unlearn/methods/neurons/path.h"
#include "unlearn/methods/smfa.h"
#include "unlearn/unlearn.h"

enum { SAMPLES = 4 };

typedef struct {
    ModelConfig config;
    Weights weights;
    Model model;
    BatchSample samples[SAMPLES];
} Tiny;

static bool make(Tiny *x, Probe *p)
{
    x->config = probe_config();
    for (size_t i = 0; i < SAMPLES; i++)
        if (!probe_sample(&x->samples[i], i, &x->config, p->arena))
            return false;
    return weights_make(&x->weights, &x->config, 5, p->arena, p->error)
        && model_make(&x->model, &x->config, &x->weights, NULL, 64, p->arena, p->error);
}

/* Hashes the weights of the tiny model after an edit by MANU in one form (manu_form). */
static void hash_pruned(Probe *p, const char *form)
{
    Tiny x;
    UnlearnRequest q = { .method = method_find("manu"), .batch = 1,
                         .role = { [ROLE_FORGET] = { x.samples, 2 }, [ROLE_RETAIN] = { x.samples + 2, 2 } } };
    if (make(&x, p) && hyperparameters_make(&q.v, q.method, NULL, p->error)
        && hyperparameters_apply(&q.v, "tau=0.1 percent=20", p->error)
        && hyperparameters_set(&q.v, "manu_form", form, p->error)
        && unlearn_edit(&q, &x.model, p->arena, p->error))
        probe_hash_weights(p, &x.weights);
}

/* Hashes the scores that neurons get on MIP-Editor's path: binary64 sums in a fixed order, rounded to floats. */
static void hash_scores(Probe *p)
{
    Tiny x;
    Path path;
    bool good = make(&x, p) && path_make(&path, &x.model, p->arena, p->error);
    for (size_t i = 0; i < SAMPLES && good; i++)
        good = (i % 2 ? path_squared : path_integrated)(&path, &x.samples[i], 1)
            && path_product(&path, &x.samples[i], 1);
    for (size_t k = 0; good && k < path.count; k++) {
        Tensor scores = tensor_f32(p->arena, shape_of(1, path.mlp[k].width));
        for (size_t i = 0; scores.f32 && i < path.mlp[k].width; i++)
            scores.f32[i] = (float)path.mlp[k].score[i];
        if (scores.f32)
            hash_tensor(&p->hash, path.mlp[k].out, scores);
    }
}

void digest_edits(Probe *p)
{
    static const char *const forms[] = { "paper", "official", "open_mm", "cmju", "mip_editor" };
    for (size_t k = 0; k < sizeof forms / sizeof *forms; k++)
        hash_pruned(p, forms[k]);
    hash_scores(p);
    for (int k = 0; k < PROBE_BITS; k++) {
        const Shape s = shape_of(1, (size_t)97);
        Node *f = probe_input(p, (ProbeKind)k, s), *a = probe_input(p, (ProbeKind)k, s);
        smfa_sculpt(p->tape, f, a, 0.5f);
    }
}
