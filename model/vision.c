/* SPDX-License-Identifier: MIT */
/* The vision tower: CLIP's ViT with pre-norm blocks, up to the layer whose output LLaVA uses (vision_feature_layer, -2
 * in LLaVA-1.5). The class token is dropped ("default") or kept ("full"). */
#include "model/modules.h"
#include "tensor/ops.h"

static Node *layer_norm(Tape *t, Params *p, Node *x, const char *name)
{
    const char *before = tape_enter(t, "%s", name);
    Node *n = op_layernorm(t, x, p->model->config.vision.layer_norm_eps);
    Node *b = param_node(t, p, "%s.bias", t->module);
    Node *y = op_affine_rows(t, n, param_node(t, p, "%s.weight", t->module), b);
    tape_leave(t, before);
    return y;
}

/* The P + 1 rows of every picture: the class token, then its P patches, each with its position embedding added. */
static Node *embeddings(Tape *t, Params *p, Tensor pixels)
{
    const VisionConfig *v = &p->model->config.vision;
    size_t pictures = pixels.shape.dim[0], patches = config_patches(&p->model->config), n = pictures * (patches + 1);
    const char *before = tape_enter(t, "embeddings");
    int32_t *from = arena_array(t->arena, n, sizeof *from), *index = arena_array(t->arena, n, sizeof *index);
    if (!from || !index)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t picture = i / (patches + 1), k = i % (patches + 1);
        from[i] = (int32_t)(k ? 1 + picture * patches + (k - 1) : 0);
        index[i] = (int32_t)k;
    }
    Node *kernel = param_node(t, p, "%s.patch_embedding.weight", t->module);
    Node *flat = op_reshape(t, kernel, shape_of(2, (size_t)v->hidden_size, (size_t)(v->num_channels * v->patch_size * v->patch_size)));
    Node *patch = op_linear(t, op_patches(t, tape_input(t, "pixels", pixels), (size_t)v->patch_size), flat, NULL);
    Node *rows = op_concat_rows(t, 2, (Node *[]){ param_node(t, p, "%s.class_embedding", t->module), patch });
    Node *position = op_gather_rows(t, param_node(t, p, "%s.position_embedding.weight", t->module), index, n);
    Node *x = op_add(t, op_gather_rows(t, rows, from, n), position);
    tape_leave(t, before);
    return x;
}

static Node *self_attention(Tape *t, Params *p, Node *x, Attention a)
{
    const char *before = tape_enter(t, "self_attn");
    Node *q = linear_module(t, p, x, "q_proj", true);
    Node *k = linear_module(t, p, x, "k_proj", true);
    Node *v = linear_module(t, p, x, "v_proj", true);
    Node *s = op_scale(t, op_attention_scores(t, q, k, a), attention_scale(a.head_dim));
    Node *o = op_attention_mix(t, op_attention_softmax(t, s, a), v, a);
    Node *y = linear_module(t, p, o, "out_proj", true);
    tape_leave(t, before);
    return y;
}

static Node *mlp(Tape *t, Params *p, Node *x)
{
    const char *before = tape_enter(t, "mlp");
    Node *h = activation(t, linear_module(t, p, x, "fc1", true), (Activation)p->model->config.vision.hidden_act);
    Node *y = linear_module(t, p, h, "fc2", true);
    tape_leave(t, before);
    return y;
}

typedef struct {
    Params params;
    Attention attention;
    Tensor pixels;                       // the pictures, which only the embeddings read
} Layer;

static Node *block(Tape *t, Node *x, const void *context)
{
    const Layer *l = context;
    Params p = l->params;
    x = op_add(t, x, self_attention(t, &p, layer_norm(t, &p, x, "layer_norm1"), l->attention));
    return op_add(t, x, mlp(t, &p, layer_norm(t, &p, x, "layer_norm2")));
}

static Node *first_rows(Tape *t, Node *pixels, const void *context)
{
    const Layer *l = context;
    Params p = l->params;
    (void)pixels;
    return layer_norm(t, &p, embeddings(t, &p, l->pixels), "pre_layrnorm");
}

static Node *patch_rows(Tape *t, Node *x, size_t pictures, size_t patches)
{
    int32_t *rows = arena_array(t->arena, pictures * patches, sizeof *rows);
    if (!rows)
        return NULL;
    for (size_t i = 0; i < pictures * patches; i++)
        rows[i] = (int32_t)(i / patches * (patches + 1) + i % patches + 1);
    return op_gather_rows(t, x, rows, pictures * patches);
}

Node *vision_features(Tape *t, Params *p, Tensor pixels)
{
    const ModelConfig *c = &p->model->config;
    size_t pictures = pixels.shape.dim[0], patches = config_patches(c), heads = (size_t)c->vision.num_attention_heads;
    int32_t *segments = t->error->failed ? NULL : arena_array(t->arena, 4 * pictures, sizeof *segments);
    if (!segments)
        return NULL;
    for (size_t i = 0; i < pictures; i++)
        for (size_t k = 0; k < 4; k++)
            segments[4 * i + k] = (int32_t)(k % 2 ? patches + 1 : i * (patches + 1));
    Attention a = { segments, pictures, heads, heads, (size_t)c->vision.hidden_size / heads, false };

    const char *before = tape_enter(t, "vision_tower.vision_model");
    const Layer layer = { *p, a, pixels };
    const void *context = layer_context(t, &layer, sizeof layer);
    if (!context)
        return NULL;
    Node *x = t->no_grad ? layer_run(t, p, NULL, (TapeSegment){ first_rows, context }) : first_rows(t, NULL, context);
    for (size_t l = 0; l < config_vision_layers(c); l++) {
        const char *path = tape_enter(t, "encoder.layers.%zu", l);
        x = layer_run(t, p, x, (TapeSegment){ block, context });
        tape_leave(t, path);
    }
    if (c->vision_feature_select_strategy == FEATURES_DEFAULT)
        x = patch_rows(t, x, pictures, patches);
    tape_leave(t, before);
    return x;
}
