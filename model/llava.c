/* SPDX-License-Identifier: MIT */
#include "model/llava.h"
#include "tensor/ops.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "tensor/exact/angle.h"

bool model_make(Model *m, const ModelConfig *c, Weights *w, const Lora *lora, size_t positions, Arena *a, Error *e)
{
    size_t half = (size_t)c->text.head_dim / 2;
    *m = (Model){ .config = *c, .weights = w, .lora = lora,
                  .rope_cos = tensor_f32(a, shape_of(2, positions, half)), .rope_sin = tensor_f32(a, shape_of(2, positions, half)) };
    return m->rope_cos.f32 && m->rope_sin.f32
        && angle_rope_tables(m->rope_cos.f32, m->rope_sin.f32, positions, (size_t)c->text.head_dim, c->text.rope_theta, e);
}

bool cache_make(Cache *c, const Model *m, size_t capacity, Arena *a)
{
    size_t layers = (size_t)m->config.text.num_hidden_layers;
    size_t width = (size_t)(m->config.text.num_key_value_heads * m->config.text.head_dim);
    *c = (Cache){ .capacity = capacity, .keys = arena_array(a, layers, sizeof *c->keys), .values = arena_array(a, layers, sizeof *c->values) };
    if (!c->keys || !c->values)
        return false;
    for (size_t l = 0; l < layers; l++) {
        c->keys[l] = tensor_f32(a, shape_of(2, capacity, width));
        c->values[l] = tensor_f32(a, shape_of(2, capacity, width));
        if (!c->keys[l].f32 || !c->values[l].f32)
            return false;
    }
    return true;
}

Params params_make(Tape *t, const Model *m)
{
    size_t factors = m->lora ? m->lora->factors.count : 0;
    Params p = { .model = m };
    if (!t->error->failed) {
        p.weights = arena_zalloc(t->arena, m->weights->count * sizeof *p.weights);
        p.factors = arena_zalloc(t->arena, factors * sizeof *p.factors);
    }
    return p;
}

static Node *node_of(Tape *t, const Weights *list, Node **nodes, const Weight *w)
{
    Node **slot = &nodes[w - list->list];
    if (!*slot)
        *slot = tape_param(t, w->name, w->tensor, w->trainable);
    return *slot;
}

Node *param_node(Tape *t, Params *p, const char *format, ...)
{
    char name[256];
    va_list args;
    if (t->error->failed)
        return NULL;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    const Weight *w = weights_find(p->model->weights, name);
    if (!w) {
        error_set(t->error, "model: there is no weight \"%s\"", name);
        return NULL;
    }
    return node_of(t, p->model->weights, p->weights, w);
}

Node *linear_module(Tape *t, Params *p, Node *x, const char *name, bool bias)
{
    const char *before = tape_enter(t, "%s", name);
    Node *b = bias ? param_node(t, p, "%s.bias", t->module) : NULL;      // one node a statement: C leaves the order of arguments open
    Node *y = op_linear(t, x, param_node(t, p, "%s.weight", t->module), b);
    const LoraPair *pair = lora_find(p->model->lora, t->module);
    if (pair && !t->error->failed) {
        const Weights *factors = &p->model->lora->factors;
        Node *z = op_linear(t, x, node_of(t, factors, p->factors, pair->a), NULL);
        Node *update = op_linear(t, z, node_of(t, factors, p->factors, pair->b), NULL);
        y = op_axpy(t, y, update, p->model->lora->scale);
    }
    tape_leave(t, before);
    return y;
}

Node *activation(Tape *t, Node *x, Activation a)
{
    return a == ACT_GELU ? op_gelu(t, x) : a == ACT_QUICK_GELU ? op_quick_gelu(t, x) : op_silu(t, x);
}

LayerScope layer_scope(Tape *t)
{
    return tape_scope(t);
}

static void forget_since(Node **nodes, size_t n, size_t first)
{
    for (size_t k = 0; k < n; k++)
        if (nodes[k] && nodes[k]->id >= first)
            nodes[k] = NULL;
}

Node *layer_scope_end(Tape *t, Params *p, LayerScope s, Node *keep)
{
    if (!t->no_grad || t->error->failed)
        return keep;
    forget_since(p->weights, p->model->weights->count, s.count);
    if (p->model->lora)
        forget_since(p->factors, p->model->lora->factors.count, s.count);
    return tape_scope_end(t, s, keep);
}

Node *projector_features(Tape *t, Params *p, Node *features)
{
    const ModelConfig *c = &p->model->config;
    const char *before = tape_enter(t, "multi_modal_projector");
    Node *h = linear_module(t, p, features, "linear_1", c->multimodal_projector_bias);
    Node *y = linear_module(t, p, activation(t, h, (Activation)c->projector_hidden_act), "linear_2", c->multimodal_projector_bias);
    tape_leave(t, before);
    return y;
}

/* The rows of the language model: embeddings of the text, with the picture's features where the image tokens stand. */
static Node *embed(Tape *t, Params *p, const Batch *b, Node *features)
{
    int32_t *text = arena_array(t->arena, b->tokens, sizeof *text), *from = arena_array(t->arena, b->tokens, sizeof *from);
    size_t texts = 0, images = 0;
    if (!text || !from)
        return NULL;
    for (size_t i = 0; i < b->tokens; i++)
        if (b->ids[i] != p->model->config.image_token_index)
            text[texts++] = b->ids[i];
    size_t next = 0;
    for (size_t i = 0; i < b->tokens; i++)
        from[i] = (int32_t)(b->ids[i] == p->model->config.image_token_index ? texts + images++ : next++);

    Node *e = op_gather_rows(t, param_node(t, p, "language_model.model.embed_tokens.weight"), text, texts);
    return features ? op_gather_rows(t, op_concat_rows(t, 2, (Node *[]){ e, features }), from, b->tokens) : e;
}

static Forward forward(Tape *t, Params *p, const Batch *b, Cache *cache)
{
    Forward f = { .logits = NULL };
    if (t->error->failed)
        return f;
    if (b->pictures)
        f.features = projector_features(t, p, vision_features(t, p, b->pixels));
    if (!t->no_grad)
        f.hidden = arena_zalloc(t->arena, (size_t)(p->model->config.text.num_hidden_layers + 1) * sizeof *f.hidden);
    const char *before = tape_enter(t, "language_model");
    Node *h = language_layers(t, p, embed(t, p, b, f.features), b, cache, f.hidden);
    if (b->row_count)
        f.logits = language_logits(t, p, h, b);
    tape_leave(t, before);
    return f;
}

Forward llava_forward(Tape *t, Params *p, const Batch *b)
{
    return forward(t, p, b, NULL);
}

Forward llava_forward_cached(Tape *t, Params *p, const Batch *b, Cache *cache)
{
    if (b->samples != 1 || cache->length + b->tokens > cache->capacity)
        error_set(t->error, "model: %zu samples with %zu tokens after %zu cached, expected one sample and %zu tokens in all at most",
                  b->samples, b->tokens, cache->length, cache->capacity);
    Forward f = forward(t, p, b, cache);
    cache->length += b->tokens;
    return f;
}
