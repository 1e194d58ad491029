/* SPDX-License-Identifier: MIT */
/* Model: a config, weights and perhaps adapters, and the forward pass from pictures and token ids to logits.
 *
 *     Model m; model_make(&m, &config, &weights, NULL, positions, &arena, &error);   // NULL: no adapters
 *     Batch b; batch_pack(&b, samples, count, ROWS_SUPERVISED, &m.config, &arena, &error);
 *     Params p = params_make(&tape, &m);
 *     Forward f = model_forward(&tape, &p, &b);
 *     Node *nll = op_nll(&tape, f.logits, b.labels);
 *
 * The model's architecture (arch.h) decides which operators a forward pass has: llava.c for LLaVA-1.5.
 * Modules on the tape have the names that they have on the Hub. Errors go to the tape's Error, and the nodes are NULL.
 * Letters of shapes: N tokens of the batch, R rows whose logits are wanted, C width of the language model, V
 * vocabulary.
 * A Model is only read by the forward pass, so threads may share it as long as each has its own tape. */
#ifndef PULSE_MODEL_MODEL_H
#define PULSE_MODEL_MODEL_H

#include "model/batch.h"
#include "model/lora/lora.h"
#include "tensor/tape.h"

/* The default of Model.memory: 768 MiB, enough for 756 tokens of LLaVA-1.5-7B. */
#define MODEL_MEMORY ((size_t)768 << 20)

typedef struct Features Features;      // reuse/features.h

typedef struct {
    ModelConfig  config;
    Weights     *weights;
    const Lora  *lora;                 // NULL: none
    bool         merged;               // see model_merged
    Tensor       rope_cos, rope_sin;   // [positions, head_dim / 2]: the rotary angles of every position
    size_t       memory;               // bytes for the rows that prefix.h keeps; model_make sets MODEL_MEMORY
    Features    *features;             // cached outputs of a frozen vision tower; NULL: no cache
} Model;

/* The keys and values of rows that were run before, and the output of the last layer for these rows. prefix.h fills the
 * cache, and decides which of its rows a later batch reads. */
typedef struct Cache {
    Tensor *keys, *values;      // one for each layer, [capacity, kv_heads * head_dim]
    Tensor  hidden;             // [capacity, C]
    size_t  length, capacity;   // in rows
} Cache;

typedef struct Forward {
    Node  *logits;              // [R, V]; NULL when the batch wants no rows
    Node **hidden;              // [layers + 1] nodes [N, C]: the embeddings, then the output of each layer
    Node  *features;            // [pictures * image tokens, C]: the projector's output; NULL without pictures
} Forward;

/* The nodes of the parameters on a tape, made when the forward pass first uses them. */
typedef struct Params {
    const Model *model;
    Node **weights;             // parallel to model->weights->list; NULL: not used so far
    Node **factors;             // parallel to model->lora->factors.list
} Params;

/* Makes a model with rotary tables for `positions` positions, in `a`, and tests the matrix product (tensor/product) at
 * the shapes of its weight matrices. `w` and `lora` must outlive the model; `lora` may be NULL. */
bool    model_make(Model *m, const ModelConfig *c, Weights *w, const Lora *lora, size_t positions, Arena *a, Error *e);
/* A model with the outputs that `m` would have after lora_merge, bit for bit. A linear map is merged when it is
 * used, so memory is needed for the merged weights of one layer only. This is for tapes with no_grad. Training
 * computes W x + s B (A x), which differs in the last bits. */
Model   model_merged(const Model *m);
/* An empty cache for `capacity` rows. False: no memory in `a`. */
bool    cache_make(Cache *c, const Model *m, size_t capacity, Arena *a);
/* The bytes of a cache that one row takes. */
size_t  cache_row_bytes(const Model *m);
Params  params_make(Tape *t, const Model *m);

/* Records the forward pass on the tape. Under tape->no_grad the memory of a layer is released once its output is
 * known. */
Forward model_forward(Tape *t, Params *p, const Batch *b);
/* The same for a batch that reads rows of the cache. In the batch's `keys` and `rows`, the rows of the cache are
 * numbered first, and then the rows of the batch. The cache grows by the batch's rows. If the batch has no row of
 * its own, only logits are computed. */
Forward model_forward_cached(Tape *t, Params *p, const Batch *b, Cache *cache);
/* The logits that the batch would have if its hidden state `layer` (0 … layers) were `hidden` [N, C], which another
 * model may have computed. It runs the layers from there on, the final norm and the head. With the model's own hidden
 * state, the result has the same bits as model_forward. */
Node   *model_forward_from(Tape *t, Params *p, const Batch *b, size_t layer, Node *hidden);

#endif
