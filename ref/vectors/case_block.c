/* SPDX-License-Identifier: MIT */
#include "ref/vectors/case_block.h"

#include <stdio.h>
#include <string.h>
#include "ref/trace/trace_file.h"
#include "tensor/base/random.h"

#define VISION "vision_tower.vision_model"
#define DECODER "language_model.model.layers.0"
#define ADAPTERS "train.trainable=llm lora.rank=3 lora.alpha=6"
#define SELECTION "hidden_states[vision_feature_layer] without the class token, without post_layernorm"
#define ATTENTION "causal, within each sample; half-split rotary positions; query head h reads key head h / group"
// BOTH: one form for tiny-llava-a and one for tiny-llava-b
#define BOTH_WITH_GAIN(id, module, gain, settings, definition, mistakes) \
    { id ".a", "tiny-llava-a", module, settings, definition, mistakes, gain }, \
    { id ".b", "tiny-llava-b", module, settings, definition, mistakes, gain }
#define BOTH(id, module, settings, definition, mistakes) BOTH_WITH_GAIN(id, module, 1, settings, definition, mistakes)

const BlockForm block_forms[] = {
    BOTH("vision_embeddings", VISION ".embeddings", "", "class token and patches of each picture (a convolution without bias), "
                                                        "plus positions", ""),
    BOTH("vision_layernorm", VISION ".pre_layrnorm", "", "y = (x - mean) / sqrt(var + eps) g + b", "EpsOutsideSqrt"),
    BOTH("vision_attention", VISION ".encoder.layers.0.self_attn", "", "softmax(q k / sqrt(d)) v of each picture, with biases", ""),
    BOTH("vision_mlp", VISION ".encoder.layers.0.mlp", "", "fc2(quick_gelu(fc1 x))", "QuickGeluMissing"),
    BOTH_WITH_GAIN("vision_layer", VISION ".encoder.layers.0", 0.25f, "", "x + self_attn(layer_norm1 x), then + mlp(layer_norm2 x)", ""),
    { "vision_select.a", "tiny-llava-a", VISION, "", SELECTION, "LayerMinus1 ClsKept PostNormApplied", 1 },
    { "vision_select.b", "tiny-llava-b", VISION, "", SELECTION, "ClsKept PostNormApplied", 1 },
    BOTH("projector", "multi_modal_projector", "", "linear_2(gelu(linear_1 x)), gelu by erf", "GeluTanh"),
    BOTH("embedding", "language_model", "", "rows of the table, and the pictures' features where the image tokens stand", ""),
    BOTH("rmsnorm", DECODER ".input_layernorm", "", "y = x / sqrt(mean x^2 + eps) w", "EpsOutsideSqrt"),
    { "attention.a", "tiny-llava-a", DECODER ".self_attn", "", ATTENTION, "RopeInterleaved", 1 },
    { "attention.b", "tiny-llava-b", DECODER ".self_attn", "", ATTENTION, "GqaTiled RopeInterleaved", 1 },
    BOTH("swiglu", DECODER ".mlp", "", "down_proj(silu(gate_proj x) up_proj x)", ""),
    BOTH_WITH_GAIN("decoder_layer", DECODER, 0.25f, "", "x + self_attn(input_layernorm x), then + mlp(post_attention_layernorm x)", ""),
    BOTH("lora_linear", DECODER ".self_attn.q_proj", ADAPTERS, "y = x W^T + alpha/r (x A^T) B^T", "LoraNoScale LoraATransposed"),
    BOTH("norm", "language_model.model.norm", "", "y = x / sqrt(mean x^2 + eps) w", ""),
    BOTH("lm_head", "language_model.lm_head", "", "y = x W^T", ""),
};
const size_t block_forms_count = sizeof block_forms / sizeof *block_forms;

/* Replaces the numbers of a node by normals drawn for the case, times `scale`. */
static bool draw(Node *n, const BlockForm *f, const char *what, float scale, Arena *a)
{
    char purpose[160];
    snprintf(purpose, sizeof purpose, "vectors.block.%s.%s", f->id, what);
    const Random r = random_for(1, purpose);
    n->out = tensor_f32(a, n->out.shape);
    for (size_t i = 0; n->out.f32 && i < shape_size(n->out.shape); i++)
        n->out.f32[i] = scale * random_normal(r, i);
    return n->out.f32 != NULL;
}

static bool multiply(Node *n, float gain, Arena *a)
{
    Tensor t = tensor_f32(a, n->out.shape);
    for (size_t i = 0; t.f32 && i < shape_size(t.shape); i++)
        t.f32[i] = gain * n->out.f32[i];
    n->out = t;
    return t.f32 != NULL;
}

static bool draw_all(const Tape *t, Unit *u, const BlockForm *f, Arena *a)
{
    Node **leaves;
    size_t count;
    bool good = unit_leaves(t, u, &leaves, &count, a) && (!u->in || draw(u->in, f, "in", 1, a))
             && (!u->out->grad || draw(u->out->grad, f, "grad.out", 1, a));
    for (size_t k = 0; good && k < count; k++)
        if (strstr(leaves[k]->name, ".lora_B.weight"))                 // a B of zeros, as it is at the start, would hide A
            good = draw(leaves[k], f, leaves[k]->name, 0.25f, a);
        else if (f->gain != 1 && unit_weight(u, leaves[k]) && leaves[k]->out.shape.rank == 2)
            good = multiply(leaves[k], f->gain, a);
    return good;
}

static void put(Entry *list, size_t *n, const char *name, Tensor t)
{
    list[(*n)++] = (Entry){ name, t };
}

static void answer(BlockCase *c, const UnitRun *r, const Unit *u, const char *name, const Node *n, Arena *a)
{
    const char *full = arena_format(a, "%s@%s", u->module, name);
    if (!n || !unit_tells(n->out.f32, r->bounds[n->id], shape_size(n->out.shape)))
        return;
    c->node[c->out_count] = n->id;
    put(c->out, &c->out_count, full, n->out);
    put(c->out, &c->out_count, arena_format(a, "bound.%s", full),
        tensor_view((float *)(uintptr_t)r->bounds[n->id], n->out.shape));
}

/* The inputs of the selection of a layer: the hidden states of all layers, one of which is selected, and the weights
 * of the final layer norm, which must not be applied. */
static bool put_states(BlockCase *c, const BlockForm *f, Arena *a)
{
    static const char *const norm[] = { "weight", "bias" };
    const ModelConfig *m = &c->step.session.config;
    int64_t layers = m->vision.num_hidden_layers;
    for (int64_t k = 0; k <= layers; k++) {
        const char *name = arena_format(a, "hidden_states.%lld", (long long)k);
        Node n = *c->unit.in;
        if (k != layers + 1 + m->vision_feature_layer && !draw(&n, f, name, 1, a))
            return false;
        put(c->in, &c->in_count, name, n.out);
    }
    for (size_t k = 0; k < 2; k++) {
        const char *name = arena_format(a, VISION ".post_layernorm.%s", norm[k]);
        Node n = { .out = { .shape = shape_of(1, (size_t)m->vision.hidden_size) } };
        if (!draw(&n, f, name, 1, a))
            return false;
        put(c->in, &c->in_count, name, n.out);
    }
    return true;
}

static bool fill(BlockCase *c, const BlockForm *f, const Tape *t, const Unit *u, const UnitRun *r, Arena *a)
{
    bool states = strcmp(u->module, VISION) == 0;
    Node **leaves;
    UnitIndex *index;
    size_t leaf_count, index_count;
    if (!unit_leaves(t, u, &leaves, &leaf_count, a) || !unit_indices(t, u, &index, &index_count, a))
        return false;
    c->in = arena_array(a, leaf_count + index_count + (size_t)c->step.session.config.vision.num_hidden_layers + 5,
                        sizeof *c->in);
    c->out = arena_array(a, 2 * leaf_count + 4, sizeof *c->out);
    c->node = arena_zalloc(a, (2 * leaf_count + 4) * sizeof *c->node);
    c->tape = r->tape;
    if (!c->in || !c->out || !c->node)
        return false;
    if (states && !put_states(c, f, a))
        return false;
    if (u->in && !states)
        put(c->in, &c->in_count, arena_format(a, "%s@in", u->module), u->in->out);
    put(c->in, &c->in_count, arena_format(a, "%s@grad.out", u->module), u->out->grad->out);
    answer(c, r, u, "out", r->out, a);
    answer(c, r, u, "grad.in", r->in ? r->in->grad : NULL, a);
    for (size_t k = 0; k < leaf_count; k++) {
        put(c->in, &c->in_count, leaves[k]->name + 6, leaves[k]->out);
        if (unit_weight(u, leaves[k]))
            answer(c, r, u, arena_format(a, "grad.%s", unit_weight(u, leaves[k])), r->node[leaves[k]->id]->grad, a);
    }
    for (size_t k = 0; k < index_count; k++) {
        Tensor rows = { .shape = shape_of(1, index[k].node->attrs.index_count), .dtype = I32 };
        rows.i32 = (int32_t *)(uintptr_t)index[k].node->attrs.index;
        put(c->in, &c->in_count, index[k].name, rows);
    }
    return true;
}

static json_t *operators(const Tape *t, const Unit *u)
{
    json_t *all = json_array();
    for (size_t k = 0; k < t->count; k++) {
        const Node *n = t->nodes[k];
        if (!unit_has(u, n))
            continue;
        json_t *attrs = trace_attributes(n);
        char index[64];
        snprintf(index, sizeof index, "%.*s", n->op->index ? (int)strcspn(n->op->index, " ") : 0, n->op->index ? n->op->index : "");
        json_object_del(attrs, index);                                 // it is one of the inputs already
        json_add(all, json_pack("{s:s, s:s, s:o}", "op", n->op->name, "module", n->module, "attrs", attrs));
    }
    return all;
}

bool block_case_open(BlockCase *c, const BlockForm *f, const char *models, Arena *a, Error *e)
{
    *c = (BlockCase){ .step = { .folder = arena_format(a, "%s/%s", models, f->model),
                                .batch = arena_format(a, "%s/%s/batch.jsonl", models, f->model) } };
    const Tape *t = &c->step.trainer.tape;
    Unit *list;
    size_t count;
    // any method would do whose step trains every module and reads all samples
    if (!step_settings(&c->step.settings, f->settings, a, e) || !step_make(&c->step, "grad_diff", a, e)
        || !units_find(t, &list, &count, a))
        return false;
    for (size_t k = 0; k < count; k++)
        if (strcmp(list[k].module, f->module) == 0)
            c->unit = list[k];
    if (!c->unit.out || !c->unit.out->grad)
        return error_set(e, "record: %s has no module %s with a gradient", f->model, f->module);
    return draw_all(t, &c->unit, f, a);
}

bool block_case_answer(BlockCase *c, const BlockForm *f, Arena *a, Error *e)
{
    const Tape *t = &c->step.trainer.tape;
    UnitRun r;
    c->in_count = c->out_count = 0;
    return unit_run(&r, t, &c->unit, a, e) && fill(c, f, t, &c->unit, &r, a)
        && (c->ops = operators(t, &c->unit)) != NULL;
}

void block_case_close(BlockCase *c)
{
    step_close(&c->step);
}
