/* SPDX-License-Identifier: MIT */
/* Weights: every parameter of a model, by its name on the Hub, in one fixed order.
 *
 * weights.def is the one list: name pattern, shape, how it starts. Files in any of the three public
 * name layouts are read (INTEROP 2.2), whole or in shards; the Hub's is written.
 *
 *     Weights w;
 *     if (!weights_load(&w, folder, &config, &arena, &error)) ...
 *     const Tensor *q = weights_get(&w, "language_model.model.layers.%zu.self_attn.q_proj.weight", layer);
 *     for (size_t i = 0; i < w.count; i++) use(w.list[i].name, &w.list[i].tensor);
 *
 * Always: list is in the order of weights.def, layer by layer, whatever the file's order.
 * 2-D linear weights and embedding tables keep the file's dtype and stay mapped (F32, F16, BF16); the small
 * ones (norms, biases, class token, positions, patch convolution) are F32. A trainable weight is F32 in the
 * arena and may be written to; all others are read-only.
 * Layers of the vision tower that are not run, and post_layernorm, need not be in the file; where they are, they are
 * kept (and saved again) as `idle` entries.
 * Fails: a missing, unused, mis-shaped or mis-typed tensor: the sentence lists them. */
#ifndef PULSE_MODEL_WEIGHTS_H
#define PULSE_MODEL_WEIGHTS_H

#include "model/config.h"
#include "model/names.h"
#include "tensor/store.h"

typedef struct {
    const char *name;          // "language_model.model.norm.weight"
    Tensor      tensor;
    bool        trainable;
    bool        idle;          // never read by the model
} Weight;

typedef struct {
    Weight *list;
    size_t  count;
    Weight **by_name;          // ascending by name
    bool    tied;              // the head is the embedding, under whose name weights_find finds it
    const struct Architecture *arch;      // NULL for the factors of adapters
    Store  *files;             // mapped shards
    size_t  file_count;
    Arena  *arena;
} Weights;

/* New weights: each value is RN(std * random_normal(purpose = name, index = element)), or 0, or 1 (weights.def). F32, nothing trainable. */
bool weights_make(Weights *w, const ModelConfig *c, uint64_t seed, Arena *a, Error *e);
/* From FOLDER/model.safetensors or the shards of FOLDER/model.safetensors.index.json. */
bool weights_load(Weights *w, const char *folder, const ModelConfig *c, Arena *a, Error *e);
/* FOLDER/model.safetensors and FOLDER/config.json; the folder is made. */
bool weights_save(const Weights *w, const ModelConfig *c, const char *folder, Error *e);
/* Unmaps the files; the rest belongs to the arena. */
void weights_close(Weights *w);

Weight       *weights_find(const Weights *w, const char *name);       // NULL: not there
const Tensor *weights_get(const Weights *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Makes the weights that `pattern` matches trainable (name_matches; idle ones never): F32 copies in the arena.
 * Fails when nothing matches. */
bool weights_train(Weights *w, const char *pattern, Error *e);
/* One weight as F32 in the arena of `w`, which may be written to. */
bool weights_own(Weights *w, Weight *one, Error *e);
size_t weights_parameters(const Weights *w, bool trainable_only);      // number of floats, idle ones not counted

#endif
