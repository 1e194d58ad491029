/* SPDX-License-Identifier: MIT */
/* Llava: from pictures and token ids to logits, the whole model on one page.
 *
 *     Model m; model_make(&m, &config, &weights, NULL, positions, &arena, &error);   // NULL: no adapters
 *     Batch b; batch_pack(&b, samples, count, ROWS_SUPERVISED, &m.config, &arena, &error);
 *     Params p = params_make(&tape, &m);
 *     Forward f = llava_forward(&tape, &p, &b);
 *     Node *nll = op_nll(&tape, f.logits, b.labels);
 *
 * Architecture: LlavaForConditionalGeneration of transformers (CLIP tower, two-layer projector,
 * LLaMA decoder), cut into operators as GRAPH.md says. Module paths on the tape are the Hub's names.
 * Under tape->no_grad each layer's memory is taken back as soon as its output is known. */
#ifndef PULSE_MODEL_LLAVA_H
#define PULSE_MODEL_LLAVA_H

#include "model/batch.h"
#include "model/lora.h"
#include "tensor/tape.h"

typedef struct {
    ModelConfig  config;
    Weights     *weights;
    const Lora  *lora;          // NULL: none
    Tensor       rope_cos, rope_sin;   // [max positions, head_dim / 2], see model_make
} Model;

/* Keys and values of the tokens already seen, for greedy generation of one sample. */
typedef struct {
    Tensor *keys, *values;      // one a layer, [capacity, kv_heads * head_dim]
    size_t  length, capacity;
} Cache;

typedef struct {
    Node  *logits;              // [R, V]; NULL when the batch has no rows
    Node **hidden;              // [num_hidden_layers + 1] of [N, C]: 0 the embeddings, l the output of layer l; NULL under no_grad
    Node  *features;            // [pictures * image tokens, C]: the projector's output; NULL without pictures
} Forward;

/* Fills in the RoPE tables for `positions` positions. */
bool    model_make(Model *m, const ModelConfig *c, Weights *w, const Lora *lora, size_t positions, Arena *a, Error *e);
bool    cache_make(Cache *c, const Model *m, size_t capacity, Arena *a);

/* The nodes of the parameters on a tape: one for each weight that the forward used, in the order of first use. */
typedef struct {
    const Model *model;
    Node **weights;             // parallel to model->weights->list; NULL: not used so far
    Node **factors;             // parallel to lora->factors.list
} Params;
Params  params_make(Tape *t, const Model *m);

Forward llava_forward(Tape *t, Params *p, const Batch *b);
/* One sample whose first `cache->length` tokens were seen before; the cache grows by the batch's tokens. */
Forward llava_forward_cached(Tape *t, Params *p, const Batch *b, Cache *cache);

/* Parts, for vision.c and language.c. Under no_grad everything between layer_scope and its end is forgotten but `keep`. */
typedef TapeScope LayerScope;
LayerScope layer_scope(Tape *t);
Node   *layer_scope_end(Tape *t, Params *p, LayerScope s, Node *keep);
float   attention_scale(size_t head_dim);           // c = RN(1/sqrt(head_dim))
Node   *param_node(Tape *t, Params *p, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* y = x W^T + b of the module `name` below the present one, with its adapter where there is one. */
Node   *linear_module(Tape *t, Params *p, Node *x, const char *name, bool bias);
Node   *activation(Tape *t, Node *x, Activation a);
Node   *vision_features(Tape *t, Params *p, Tensor pixels);
Node   *projector_features(Tape *t, Params *p, Node *features);
Node   *language_layers(Tape *t, Params *p, Node *embeddings, const Batch *b, Cache *cache, Node **hidden);
Node   *language_logits(Tape *t, Params *p, Node *hidden, const Batch *b);

#endif
