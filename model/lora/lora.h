/* SPDX-License-Identifier: MIT */
/* Lora: low-rank adapters beside the linear maps of a model, y = base(x) + s (x A^T) B^T (Hu et al., LoRA, 2021).
 *
 *     Lora l;
 *     trainable_set(&w, TRAIN_PROJ_LLM, &e);                                           // trains the projector itself
 *     lora_make(&l, &w, (LoraConfig){ .rank = 16, .alpha = 32 }, seed, &arena, &e);    // and adapters beside it
 *     ... train w's trainable weights and l.factors ...
 *     lora_save(&l, &w, "out/adapter", &e);
 *     lora_merge(&l, &w, &e);
 *
 * Patterns for full paths choose the modules (name_matches), so that no module of the vision tower is chosen by
 * accident.
 * A [r, in] starts as RN(std * random_normal(purpose = the factor's name, index)) with std = RN(1 / sqrt(in)); B
 * [out, r] starts as zero. s is RN(alpha / r), or RN(alpha / sqrt(r)) with rslora. Pairs are in the order of the
 * weights; factors are F32, and trainable except in layers that are never run. Folders have PEFT's format. Module paths
 * of any layout are read; factors are written under the Hub's names (lora_file.c). Errors: patterns that match no
 * module, and a key of a file that no module uses; the sentence names them. */
#ifndef PULSE_MODEL_LORA_LORA_H
#define PULSE_MODEL_LORA_LORA_H

#include "model/weights.h"
#include "tensor/tape.h"

/* Which part of a model is trained. TRAIN_LLM: adapters of the language model. TRAIN_PROJ_LLM: these and the projector
 * itself. TRAIN_FULL: every weight, without adapters. */
typedef enum { TRAIN_LLM, TRAIN_PROJ_LLM, TRAIN_FULL, TRAIN_COUNT } Trainable;
const char *trainable_name(Trainable t);                        // "llm", "proj+llm", "full"
bool        trainable_parse(const char *text, Trainable *out);
/* Makes trainable the weights that `t` trains directly, without an adapter, and freezes all others. */
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
    const struct LoraPair *next;   // the pair of the next adapter on the same module (adapters.h); NULL: none
} LoraPair;

typedef struct {
    LoraConfig config;
    float      scale;          // s of `config`; a pair may have another rank and alpha (rank_pattern, alpha_pattern)
    LoraPair  *pairs;
    size_t     count;
    size_t     frozen;         // the first `frozen` pairs belong to other adapters, which do not train (adapters.h)
    // "<module>.lora_A.weight", "<module>.lora_B.weight" for each pair. All are trainable except those of frozen pairs,
    // and those of layers that the forward pass never runs: the latter change no output, but are merged too
    Weights    factors;
    const Weight **whole;      // [whole_count] the model's weights that lora_load replaced (modules_to_save)
    size_t     whole_count;
} Lora;

/* New adapters beside `w`, in `a`. */
bool lora_make(Lora *l, const Weights *w, LoraConfig config, uint64_t seed, Arena *a, Error *e);
bool lora_config_check(const LoraConfig *c, Error *e);      // fails if rank or alpha is out of range
/* Reads FOLDER/adapter_config.json (adapter_config.def says how its keys are treated) and
 * FOLDER/adapter_model.safetensors. Weights that were saved whole (modules_to_save) replace those of `w` and are
 * trainable, unless they are idle. `w` does not change if a file is refused. Fails if the folder has other weights in a
 * file that the original LLaVA writes (non_lora_trainables.bin, mm_projector.bin), or its factors in adapter_model.bin
 * alone. */
bool lora_load(Lora *l, Weights *w, const char *folder, Arena *a, Error *e);
/* Writes the adapters. Modules of `w` with a trainable weight are written too, as modules_to_save; `w` may be NULL. */
bool lora_save(const Lora *l, const Weights *w, const char *folder, Error *e);
const LoraPair *lora_find(const Lora *l, const char *module);   // the module's first pair; NULL: none; `l` may be NULL
/* Replaces each adapted weight W by RN(W + s sum_r B A), with op_lora_merge, one pair of a module after the other. The
 * result is F32, in the arena of `w`. To undo it, load the weights again. */
bool lora_merge(const Lora *l, Weights *w, Error *e);
/* lora_base gives the weight that a pair adapts. lora_merged merges the pair, and the pairs that follow it by `next`,
 * into a copy of this weight, in the memory of the tape, which is reset first. NULL after a failure. */
Weight *lora_base(const LoraPair *p, const Weights *w, Error *e);
const Tensor *lora_merged(const LoraPair *p, const Weight *base, Tape *t, Error *e);

/* lora_begin makes the pairs of the modules that `wanted` chooses; the numbers of A are not set yet. `own` is the
 * configuration of one module: it begins as `config`, and `wanted` may change it. For lora*.c only. */
typedef bool (*LoraWanted)(const char *module, const Weight *base, const void *context, LoraConfig *own);
bool lora_begin(Lora *l, const Weights *w, LoraConfig config, LoraWanted wanted, const void *context, Arena *a,
                Error *e);

#endif
