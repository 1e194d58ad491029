/* SPDX-License-Identifier: MIT */
/* The weights and gradients that belong to the neurons of a path (mip_editor). path.h states which. */
#include <stdio.h>
#include <string.h>
#include "tensor/ops.h"
#include "unlearn/methods/neurons/path.h"

bool path_silence(const MethodRun *run, const Path *p)
{
    Model *m = run->model;
    for (size_t i = 0; i < p->count; i++) {
        const Mlp *x = &p->mlp[i];
        char name[160];
        snprintf(name, sizeof name, "%s.%zu.mlp.%s", x->layers, x->layer, x->out);
        const LoraPair *pair = lora_find(m->lora, name);
        while (pair && pair < m->lora->pairs + m->lora->frozen)
            pair = pair->next;                          // only the pair of the adapter that trains
        strncat(name, ".weight", sizeof name - strlen(name) - 1);
        Weight *w = pair ? pair->a : weights_find(m->weights, name);
        if (!w || (!pair && m->lora))                   // such as fc2 under train.trainable = llm
            continue;
        if (!pair && !weights_own(m->weights, w, run->error))
            return false;
        const size_t rows = w->tensor.shape.dim[0];
        for (size_t k = 0; k < x->width; k++)
            for (size_t r = 0; r < rows && x->on[k]; r++)
                w->tensor.f32[r * x->width + k] = 0;
    }
    return true;
}

/* Whether `name` is the name of the MLP's linear map `map`, followed by `suffix`. */
static bool is_map(const char *name, const Mlp *m, const char *map, const char *suffix)
{
    char text[192];
    snprintf(text, sizeof text, "%s.%zu.mlp.%s%s", m->layers, m->layer, map, suffix);
    return strcmp(name, text) == 0;
}

/* Whether `name` is the name of factor A or B (`factor`) of an adapter of the MLP's linear map `map`. If the map has
 * frozen adapters as well, the names of the factors that train are "<map>.lora_A.2.weight" and the like. */
static bool is_factor(const char *name, const Mlp *m, const char *map, char factor)
{
    char text[192];
    const int n = snprintf(text, sizeof text, "%s.%zu.mlp.%s.lora_%c.", m->layers, m->layer, map, factor);
    return strncmp(name, text, (size_t)n) == 0;
}

Node *path_on(Tape *t, const Path *p, const char *name, Node *g)
{
    static const char *const maps[] = { "fc1", "gate_proj", "up_proj" };
    for (size_t i = 0; i < p->count; i++) {
        const Mlp *m = &p->mlp[i];
        for (int k = 0; k < 3; k++) {
            if (is_factor(name, m, maps[k], 'A'))
                return g;
            if (!is_map(name, m, maps[k], ".weight") && !is_map(name, m, maps[k], ".bias")
                && !is_factor(name, m, maps[k], 'B'))
                continue;
            int32_t *keep = g ? arena_array(t->arena, m->width, sizeof *keep) : NULL;
            for (size_t c = 0; keep && c < m->width; c++)
                keep[c] = m->on[c];
            return keep ? op_mask(t, g, keep, m->width) : NULL;
        }
    }
    return NULL;
}

Node *path_off(Tape *t, const Path *p, const char *name, Node *g)
{
    for (size_t i = 0; i < p->count && g; i++) {
        const Mlp *m = &p->mlp[i];
        if (!is_factor(name, m, m->out, 'A'))
            continue;
        const size_t n = shape_size(g->out.shape);
        int32_t *keep = arena_array(t->arena, n, sizeof *keep);
        for (size_t k = 0; keep && k < n; k++)
            keep[k] = !m->on[k % m->width];
        return keep ? op_mask(t, g, keep, n) : NULL;
    }
    return g;
}
