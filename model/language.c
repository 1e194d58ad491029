/* SPDX-License-Identifier: MIT */
/* The language model: LLaMA's decoder with RMSNorm, rotary positions in the half-split layout, grouped-query
 * attention and SwiGLU. */
#include <string.h>
#include "model/modules.h"
#include "tensor/ops.h"
#include "tensor/exact/round.h"

typedef struct {
    Node *cos, *sin;
    Batch batch;
    Attention attention;
    Cache *cache;
} Run;

static Node *rms_norm(Tape *t, Params *p, Node *x, const char *name)
{
    const char *before = tape_enter(t, "%s", name);
    Node *w = param_node(t, p, "%s.weight", t->module);
    Node *y = op_mul_rows(t, op_rmsnorm(t, x, p->model->config.text.rms_norm_eps), w);
    tape_leave(t, before);
    return y;
}

/* The double 1/sqrt(head_dim) has an error of at most 2 ulp. For every head_dim up to 2^16, all numbers within this
 * error round to the same float (test_model). */
float attention_scale(size_t head_dim)
{
    float c;
    double v = 1.0 / sqrt((double)head_dim);
    return round_decides(v, v * 0x1p-51, &c) ? c : float_nan();
}

static Node *cached_node(Tape *t, Tensor *kept, const char *name, size_t rows)
{
    return tape_input(t, name, tensor_view(kept->f32, shape_of(2, rows, kept->shape.dim[1])));
}

/* Copies the rows of this call to the cache, after the `seen` rows that are there. Returns a node with all of them. */
static Node *remember(Tape *t, Node *fresh, Tensor *kept, const char *name, size_t seen)
{
    if (!fresh)
        return NULL;
    size_t width = kept->shape.dim[1], rows = fresh->out.shape.dim[0];
    memcpy(kept->f32 + seen * width, fresh->out.f32, rows * width * sizeof(float));
    return cached_node(t, kept, name, seen + rows);
}

/* The keys or values that the segments of the batch read. `kept` holds those of the cached rows; NULL: there is no
 * cache. */
static Node *seen_rows(Tape *t, Node *fresh, Tensor *kept, const char *name, const Run *r)
{
    Node *all = kept ? remember(t, fresh, kept, name, r->cache->length) : fresh;
    return r->batch.keys ? op_gather_rows(t, all, r->batch.keys, r->batch.key_count) : all;
}

static Node *self_attention(Tape *t, Params *p, Node *x, size_t layer, const Run *r)
{
    const Attention *a = &r->attention;
    const char *before = tape_enter(t, "self_attn");
    Node *q = linear_module(t, p, x, "q_proj", false);
    Node *k = linear_module(t, p, x, "k_proj", false);
    Node *v = linear_module(t, p, x, "v_proj", false);
    q = op_rope(t, q, r->cos, r->sin, r->batch.positions, a->heads);
    k = op_rope(t, k, r->cos, r->sin, r->batch.positions, a->kv_heads);
    k = seen_rows(t, k, r->cache ? &r->cache->keys[layer] : NULL, "cache.keys", r);
    v = seen_rows(t, v, r->cache ? &r->cache->values[layer] : NULL, "cache.values", r);
    Node *s = op_scale(t, op_attention_scores(t, q, k, *a), attention_scale(a->head_dim));
    Node *o = op_attention_mix(t, op_attention_softmax(t, s, *a), v, *a);
    Node *y = linear_module(t, p, o, "o_proj", false);
    tape_leave(t, before);
    return y;
}

static Node *mlp(Tape *t, Params *p, Node *x)
{
    const char *before = tape_enter(t, "mlp");
    Node *gate = activation(t, linear_module(t, p, x, "gate_proj", false),
                            (Activation)p->model->config.text.hidden_act);
    Node *h = op_mul(t, gate, linear_module(t, p, x, "up_proj", false));
    Node *y = linear_module(t, p, h, "down_proj", false);
    tape_leave(t, before);
    return y;
}

typedef struct {
    Params params;
    Run run;
    size_t layer;
} Layer;

static Node *block(Tape *t, Node *x, const void *context)
{
    const Layer *l = context;
    Params p = l->params;
    x = op_add(t, x, self_attention(t, &p, rms_norm(t, &p, x, "input_layernorm"), l->layer, &l->run));
    return op_add(t, x, mlp(t, &p, rms_norm(t, &p, x, "post_attention_layernorm")));
}

static bool run_make(Tape *t, const Model *m, const Batch *b, Cache *cache, Run *r)
{
    const TextConfig *c = &m->config.text;
    r->batch = *b;
    r->attention = (Attention){ b->segments, b->samples, (size_t)c->num_attention_heads, (size_t)c->num_key_value_heads,
                                (size_t)c->head_dim, true };
    r->cache = cache;
    r->cos = tape_input(t, "rope.cos", m->rope_cos);
    r->sin = tape_input(t, "rope.sin", m->rope_sin);
    return r->cos && r->sin;
}

Node *language_layers(Tape *t, Params *p, Node *x, size_t first, const Batch *b, Cache *cache, Node **hidden)
{
    Run r;
    if (cache && b->tokens == 0)
        return cached_node(t, &cache->hidden, "cache.hidden", cache->length);
    if (!x || !run_make(t, p->model, b, cache, &r))
        return NULL;
    const char *before = tape_enter(t, "model");
    for (size_t l = first; l < (size_t)p->model->config.text.num_hidden_layers; l++) {
        const char *layer = tape_enter(t, "layers.%zu", l);
        const void *context = layer_context(t, &(Layer){ *p, r, l }, sizeof(Layer));
        if (hidden)
            hidden[l] = x;
        x = context ? layer_run(t, p, x, (TapeSegment){ block, context }) : NULL;
        tape_leave(t, layer);
    }
    if (hidden)
        hidden[p->model->config.text.num_hidden_layers] = x;
    tape_leave(t, before);
    return cache ? remember(t, x, &cache->hidden, "cache.hidden", cache->length) : x;
}

/* The norm and the head work row by row, so they are computed for the wanted rows only, with the same bits. */
Node *language_logits(Tape *t, Params *p, Node *hidden, const Batch *b)
{
    const char *before = tape_enter(t, "model");
    Node *rows = b->row_count == b->tokens && !b->keys ? hidden : op_gather_rows(t, hidden, b->rows, b->row_count);
    Node *n = rms_norm(t, p, rows, "norm");
    tape_leave(t, before);
    return linear_module(t, p, n, "lm_head", false);
}
