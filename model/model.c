/* SPDX-License-Identifier: MIT */
#include "model/model.h"

#include "model/arch.h"
#include "tensor/exact/angle.h"
#include "tensor/product/product.h"

/* Tests the matrix product at the shapes of the weights that are matrices, each shape once. */
static bool shapes_test(const Weights *w, Error *e)
{
    for (size_t k = 0; k < w->count; k++) {
        const Shape s = w->list[k].tensor.shape;
        bool known = s.rank != 2;
        for (size_t i = 0; i < k && !known; i++)
            known = shape_equal(w->list[i].tensor.shape, s);
        if (!known && !product_selftest_map(s.dim[0], s.dim[1], e))
            return false;
    }
    return true;
}

bool model_make(Model *m, const ModelConfig *c, Weights *w, const Lora *lora, size_t positions, Arena *a, Error *e)
{
    size_t half = (size_t)c->text.head_dim / 2;
    *m = (Model){ .config = *c, .weights = w, .lora = lora, .memory = MODEL_MEMORY,
                  .rope_cos = tensor_f32(a, shape_of(2, positions, half)), .rope_sin = tensor_f32(a, shape_of(2, positions, half)) };
    return m->rope_cos.f32 && m->rope_sin.f32 && shapes_test(w, e)
        && angle_rope_tables(m->rope_cos.f32, m->rope_sin.f32, positions, (size_t)c->text.head_dim, c->text.rope_theta, e);
}

Model model_merged(const Model *m)
{
    Model copy = *m;
    copy.merged = true;
    return copy;
}

bool cache_make(Cache *c, const Model *m, size_t capacity, Arena *a)
{
    size_t layers = (size_t)m->config.text.num_hidden_layers;
    size_t width = (size_t)(m->config.text.num_key_value_heads * m->config.text.head_dim);
    *c = (Cache){ .capacity = capacity, .keys = arena_array(a, layers, sizeof *c->keys),
                  .values = arena_array(a, layers, sizeof *c->values),
                  .hidden = tensor_f32(a, shape_of(2, capacity, (size_t)m->config.text.hidden_size)) };
    if (!c->keys || !c->values || !c->hidden.f32)
        return false;
    for (size_t l = 0; l < layers; l++) {
        c->keys[l] = tensor_f32(a, shape_of(2, capacity, width));
        c->values[l] = tensor_f32(a, shape_of(2, capacity, width));
        if (!c->keys[l].f32 || !c->values[l].f32)
            return false;
    }
    return true;
}

size_t cache_row_bytes(const Model *m)
{
    const TextConfig *c = &m->config.text;
    return sizeof(float) * (size_t)(2 * c->num_hidden_layers * c->num_key_value_heads * c->head_dim + c->hidden_size);
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

Forward model_forward(Tape *t, Params *p, const Batch *b)
{
    return p->model->config.arch->forward(t, p, b, NULL);
}

Node *model_forward_from(Tape *t, Params *p, const Batch *b, size_t layer, Node *hidden)
{
    return p->model->config.arch->forward_from(t, p, b, layer, hidden);
}

Forward model_forward_cached(Tape *t, Params *p, const Batch *b, Cache *cache)
{
    if (cache->length + b->tokens > cache->capacity)
        error_set(t->error, "model: %zu rows after %zu cached, expected %zu rows in all at most", b->tokens, cache->length,
                  cache->capacity);
    Forward f = p->model->config.arch->forward(t, p, b, cache);
    cache->length += b->tokens;
    return f;
}
