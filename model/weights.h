/* SPDX-License-Identifier: MIT */
/* Weights: every parameter of a model, by its name on the Hub, in one fixed order.
 *
 *     Weights w;
 *     if (!weights_load(&w, folder, &config, &arena, &error)) ...
 *     const Tensor *q = weights_get(&w, "language_model.model.layers.%zu.self_attn.q_proj.weight", layer);
 *     for (size_t i = 0; i < w.count; i++) use(w.list[i].name, &w.list[i].tensor);
 *
 * The architecture's record gives the names, the shapes and the initial values (llava_weights.def). `list` is in the
 * record's order, layer by layer, whatever the order of a file.
 * Files are safetensors, one or in shards. Three public layouts of names are read: the Hub's, that of the original
 * LLaVA, and that of transformers in memory (llava.c). The Hub's is written.
 * Matrices of linear maps and the table of token embeddings keep the dtype of the file (F32, F16 or BF16) and stay
 * mapped. Norms, biases, the class token, positions and the patch convolution are widened to F32.
 * Only trainable weights may be written to; they are F32 and in the arena.
 * Weights that the forward pass never reads are `idle`: those of the vision tower's post_layernorm, and of the tower's
 * layers after the last one that is run. A file need not have them; if it has them, they are kept and saved again.
 * Errors: tensors that are missing, unused, there twice, not finite, or of a wrong shape or dtype; the sentence lists
 * their names.
 * Threads may share Weights as long as none of them changes a trainable weight. */
#ifndef PULSE_MODEL_WEIGHTS_H
#define PULSE_MODEL_WEIGHTS_H

#include "model/config.h"
#include "model/names.h"
#include "tensor/store.h"

typedef struct {
    const char *name;          // "language_model.model.norm.weight"
    Tensor      tensor;
    bool        trainable;
    bool        idle;          // the forward pass never reads it
} Weight;

typedef struct {
    Weight *list;              // [count]
    size_t  count;
    Weight **by_name;          // [count], ascending by name
    bool    tied;              // the head is the table of embeddings, which weights_find returns for the head's name
    const struct Architecture *arch;      // NULL for the factors of adapters
    Store  *files;             // [file_count], mapped
    size_t  file_count;
    Arena  *arena;
} Weights;

/* New weights in F32, none of them trainable; idle ones are not made. Each value is RN(std * random_normal(purpose =
 * name, index = element)), or 0, or 1, as the record says. */
bool weights_make(Weights *w, const ModelConfig *c, uint64_t seed, Arena *a, Error *e);
/* The weights of FOLDER/model.safetensors, or of the shards that FOLDER/model.safetensors.index.json names.
 * weights_close unmaps them; on failure nothing stays mapped. */
bool weights_load(Weights *w, const char *folder, const ModelConfig *c, Arena *a, Error *e);
/* Writes FOLDER/model.safetensors and FOLDER/config.json, and makes the folder. */
bool weights_save(const Weights *w, const ModelConfig *c, const char *folder, Error *e);
/* The same, but `maker` makes the weights that have no data, one by one while they are written (store_write_made). */
bool weights_save_made(const Weights *w, const ModelConfig *c, const char *folder, StoreMaker maker, Error *e);
/* Unmaps the files. Everything else belongs to the arena. */
void weights_close(Weights *w);

/* The weight of this name; NULL: there is none. weights_get takes the name as a printf format. */
Weight       *weights_find(const Weights *w, const char *name);
const Tensor *weights_get(const Weights *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Makes the weights whose names match `pattern` (name_matches) trainable, and calls weights_own for each. Idle weights
 * are left out. Fails if no other weight matches. */
bool weights_train(Weights *w, const char *pattern, Error *e);
/* Makes the numbers of one weight writable: if they are mapped or not F32, an F32 copy in the arena of `w` replaces
 * them. */
bool weights_own(Weights *w, Weight *weight, Error *e);
/* The number of parameters, without those of idle weights. */
size_t weights_parameters(const Weights *w, bool trainable_only);

#endif
