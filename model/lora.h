/* SPDX-License-Identifier: MIT */
/* Lora: low-rank adapters beside the linear maps of a model, y = base(x) + s (x A^T) B^T (Hu et al., LoRA, 2021).
 *
 *     Lora l;
 *     trainable_set(&w, TRAIN_PROJ_LLM, &e);                       // the projector whole, …
 *     lora_make(&l, &w, (LoraConfig){ .rank = 16, .alpha = 32 }, seed, &arena, &e);   // … adapters on the language model
 *     … train w's trainable weights and l.factors …
 *     lora_save(&l, &w, "out/adapter", &e);
 *     lora_merge(&l, &w, &e);
 *
 * Modules are chosen by full path (name_matches), so never on the vision tower by accident. A [r, in] starts
 * as N(0, variance 1/in): RN(std * random_normal(purpose = the factor's name, index)), std = RN(1/sqrt(in)); B [out, r] as zero.
 * s = RN(alpha/r), or RN(alpha/sqrt(r)) with rslora. Folders are PEFT's (INTEROP 2.5), written with the module
 * paths that transformers has in memory, read with any layout's.
 * Always: pairs are in the order of the weights; factors are F32 and trainable.
 * Fails: a pattern without a module, a key of a file that nothing uses: the sentence lists them. */
#ifndef PULSE_MODEL_LORA_H
#define PULSE_MODEL_LORA_H

#include "model/weights.h"

/* What of a model is trained. LLM: adapters on the language model. PROJ_LLM: and the projector itself. FULL: every weight, no adapters. */
typedef enum { TRAIN_LLM, TRAIN_PROJ_LLM, TRAIN_FULL, TRAIN_COUNT } Trainable;
const char *trainable_name(Trainable t);                        // "llm", "proj+llm", "full"
bool        trainable_parse(const char *text, Trainable *out);
/* Sets which weights of `w` are trainable; all others are frozen. */
bool        trainable_set(Weights *w, Trainable t, Error *e);

typedef struct {
    int64_t rank;              // r: 1 … 65536
    float   alpha;
    bool    rslora;
    const char *targets;       // patterns of module paths; NULL: the lora_targets of the architecture
    const char *base;          // base_model_name_or_path of the file; NULL: null
} LoraConfig;

typedef struct {
    const char *module;        // "language_model.model.layers.0.self_attn.q_proj"
    Weight *a, *b;             // [r, in], [out, r], in `factors`
} LoraPair;

typedef struct {
    LoraConfig config;
    float      scale;          // s
    LoraPair  *pairs;
    size_t     count;
    Weights    factors;        // pair by pair "<module>.lora_A.weight", "<module>.lora_B.weight", all trainable
} Lora;

/* New adapters beside `w`. */
bool lora_make(Lora *l, const Weights *w, LoraConfig config, uint64_t seed, Arena *a, Error *e);
bool lora_config_check(const LoraConfig *c, Error *e);      // whether rank and alpha are in range
/* Reads FOLDER/adapter_config.json and adapter_model.safetensors; modules saved whole replace those of `w`, and are trainable. */
bool lora_load(Lora *l, Weights *w, const char *folder, Arena *a, Error *e);
/* Writes them; modules of `w` with a trainable weight go with them, as modules_to_save. */
bool lora_save(const Lora *l, const Weights *w, const char *folder, Error *e);
const LoraPair *lora_find(const Lora *l, const char *module);   // NULL: no adapter there; a NULL Lora has none
/* W' = RN(W + s sum_r B A), by op_lora_merge; the merged weights are F32 in the arena of `w`. Unmerge: load again. */
bool lora_merge(const Lora *l, Weights *w, Error *e);

/* The factors of the modules that `wanted` chooses, without numbers yet: for lora*.c only. */
typedef bool (*LoraWanted)(const char *module, const Weight *base, const void *context);
bool lora_begin(Lora *l, const Weights *w, LoraConfig config, LoraWanted wanted, const void *context, Arena *a, Error *e);

#endif
