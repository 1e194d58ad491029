/* SPDX-License-Identifier: MIT */
/* Lora: low-rank adapters beside the linear maps of a model, y = base(x) + s (x A^T) B^T (Hu et al., LoRA, 2021).
 *
 *     Lora l;
 *     trainable_set(&w, TRAIN_PROJ_LLM, &e);                                           // trains the projector itself
 *     lora_make(&l, &w, (LoraConfig){ .rank = 16, .alpha = 32 }, seed, &arena, &e);    // and adapters of the language model
 *     ... train w's trainable weights and l.factors ...
 *     lora_save(&l, &w, "out/adapter", &e);
 *     lora_merge(&l, &w, &e);
 *
 * Patterns of full paths choose the modules (name_matches), so that no module of the vision tower is chosen by
 * accident.
 * A [r, in] starts as RN(std * random_normal(purpose = the factor's name, index)) with std = RN(1 / sqrt(in)); B [out,
 * r] starts as zero. s is RN(alpha / r), or RN(alpha / sqrt(r)) with rslora. Pairs are in the order of the weights;
 * factors are F32 and trainable. Folders are PEFT's. They are read with the module paths of any layout and written with
 * those of transformers in memory. Errors: a pattern that matches no module, and a key of a file that no module uses;
 * the sentence lists them. */
#ifndef PULSE_MODEL_LORA_LORA_H
#define PULSE_MODEL_LORA_LORA_H

#include "model/weights.h"
#include "tensor/tape.h"

/* Which part of a model is trained. TRAIN_LLM: adapters of the language model. TRAIN_PROJ_LLM: these and the projector
 * itself. TRAIN_FULL: every weight, without adapters. */
typedef enum { TRAIN_LLM, TRAIN_PROJ_LLM, TRAIN_FULL, TRAIN_COUNT } Trainable;
const char *trainable_name(Trainable t);                        // "llm", "proj+llm", "full"
bool        trainable_parse(const char *text, Trainable *out);
/* Makes the weights trainable that `t` trains themselves, and freezes all others. */
bool        trainable_set(Weights *w, Trainable t, Error *e);

typedef struct {
    int64_t rank;              // r, 1 to 65536
    float   alpha;
    bool    rslora;
    const char *targets;       // patterns of module paths; NULL: the lora_targets of the architecture
    const char *base;          // base_model_name_or_path of the file; NULL: null
} LoraConfig;

typedef struct LoraPair {
    const char *module;        // "language_model.model.layers.0.self_attn.q_proj"
    Weight *a, *b;             // [r, in], [out, r], in `factors`
    float   alpha, scale;      // its own alpha, and s
    const struct LoraPair *next;   // of the next adapter on the same module (adapters.h); NULL: none
} LoraPair;

typedef struct {
    LoraConfig config;
    // s of `config`; a pair may have its own rank and alpha (PEFT's rank_pattern and alpha_pattern)
    float      scale;
    LoraPair  *pairs;
    size_t     count;
    size_t     frozen;         // the first pairs, which belong to other adapters that do not train (adapters.h); 0: none
    Weights    factors;        // pair by pair "<module>.lora_A.weight", "<module>.lora_B.weight"; trainable, except for modules in
                               // layers that the forward pass never runs: their pairs change no output, and lora_merge
                               // merges them
    const Weight **whole;      // [whole_count] those of the model that lora_load has read whole (modules_to_save)
    size_t     whole_count;
} Lora;

/* New adapters beside `w`, in `a`. */
bool lora_make(Lora *l, const Weights *w, LoraConfig config, uint64_t seed, Arena *a, Error *e);
bool lora_config_check(const LoraConfig *c, Error *e);      // fails where rank or alpha is out of its range
/* Reads FOLDER/adapter_config.json (adapter_config.def lists what becomes of its keys) and
 * FOLDER/adapter_model.safetensors. Weights that were saved whole (modules_to_save) replace those of `w` and are
 * trainable. `w` changes only if everything could be read. Fails where the folder has weights in other files too, as
 * the original LLaVA writes (non_lora_trainables.bin). */
bool lora_load(Lora *l, Weights *w, const char *folder, Arena *a, Error *e);
/* Writes them. Modules of `w` with a trainable weight are written too, as modules_to_save; `w` may be NULL. */
bool lora_save(const Lora *l, const Weights *w, const char *folder, Error *e);
const LoraPair *lora_find(const Lora *l, const char *module);   // the first; NULL: the module has no adapter; `l` may be NULL
/* W' = RN(W + s sum_r B A) by op_lora_merge, as F32 in the arena of `w`, for one pair of a module after another. To
 * undo it, load the weights again. */
bool lora_merge(const Lora *l, Weights *w, Error *e);
/* The same for one pair and those that follow it. lora_base is the weight that the pair adapts; lora_merged is W' of
 * it, in the memory of the tape, which is reset first. NULL after a failure. */
Weight *lora_base(const LoraPair *p, const Weights *w, Error *e);
const Tensor *lora_merged(const LoraPair *p, const Weight *base, Tape *t, Error *e);

/* The factors of the modules that `wanted` chooses, before they have numbers. `one` is `config`, which `wanted` may
 * change for its module. For lora*.c only. */
typedef bool (*LoraWanted)(const char *module, const Weight *base, const void *context, LoraConfig *one);
bool lora_begin(Lora *l, const Weights *w, LoraConfig config, LoraWanted wanted, const void *context, Arena *a,
                Error *e);

#endif
