/* SPDX-License-Identifier: MIT */
/* Modules: the parts from which the forward passes of architectures are built.
 *
 * A function that returns a node records nodes on the tape `t` and returns the last one. Once the tape's Error has
 * failed, it returns NULL and accepts nodes that are NULL. A module's path is the tape's present path (tape_enter)
 * plus its name. */
#ifndef PULSE_MODEL_MODULES_H
#define PULSE_MODEL_MODULES_H

#include "model/model.h"

/* The node of a weight by its full name, which is a printf format. */
Node  *param_node(Tape *t, Params *p, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* y = x W^T + b of the module `name`, plus s (x A^T) B^T for each adapter of the module. In a merged model
 * (model_merged), W holds the adapters instead. x is [N, in], y [N, out]. `bias` says whether there is a b. */
Node  *linear_module(Tape *t, Params *p, Node *x, const char *name, bool bias);
Node  *activation(Tape *t, Node *x, Activation a);
/* language.c: RN(1 / sqrt(head_dim)), by which attention scores are scaled. */
float  attention_scale(size_t head_dim);

/* Runs a layer on x: f.run(t, x, f.context). Under no_grad, all nodes that it records are freed, except for its result.
 * The same holds under the tape's `checkpoint`, where the backward pass runs the layer again (tape_segment). The
 * parameters of a layer are those whose names begin with the tape's path. */
Node  *layer_run(Tape *t, Params *p, Node *x, TapeSegment f);
/* A copy of a layer's context that lives as long as the tape; NULL: no memory. */
const void *layer_context(Tape *t, const void *context, size_t size);

/* vision.c: CLIP's tower. `pixels` is [pictures, channels, S, S], the features [pictures * image tokens, width of the
 * tower]. */
Node  *vision_features(Tape *t, Params *p, Tensor pixels);
/* frozen.c: the same features, as a leaf node without gradient. They come from model->features; for pictures that are
 * not kept there, the tower is run on a separate tape. */
Node  *frozen_features(Tape *t, Params *p, Tensor pixels);
/* language.c: LLaMA's layers from layer `first` on. x [N, C] is the input of layer `first`; for layer 0 it is the
 * embeddings. hidden[first] becomes x, and hidden[l + 1] the output of each layer l that is run. `hidden` and
 * `cache` may be NULL. With a cache, the result has the hidden states of the cached rows first, and then those of
 * the batch. */
Node  *language_layers(Tape *t, Params *p, Node *x, size_t first, const Batch *b, Cache *cache, Node **hidden);
/* language.c: the final norm and the head, for the rows that the batch wants: [R, V]. */
Node  *language_logits(Tape *t, Params *p, Node *hidden, const Batch *b);

#endif
