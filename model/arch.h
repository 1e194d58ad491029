/* SPDX-License-Identifier: MIT */
/* Architecture: one family of models as one record: its keys of config.json, its weights, its pictures and its forward
 * pass.
 *
 * arch.def is the list of records. LLaVA-1.5 is the record `architecture_llava` in llava.c. A second family is one more
 * file with its record and one more line of arch.def; the readers of config.json and of weights, LoRA, batches and
 * training work from the record. A record is constant, so threads may share it. No pointer of it is NULL unless its
 * comment says so. */
#ifndef PULSE_MODEL_ARCH_H
#define PULSE_MODEL_ARCH_H

#include "model/weights.h"
#include "tensor/tape.h"

/* What the forward pass takes and gives: model.h and batch.h define it. */
typedef struct Batch Batch;
typedef struct Cache Cache;
typedef struct Forward Forward;
typedef struct Params Params;

/* --- config.json --- */

typedef enum { SECTION_TOP, SECTION_VISION, SECTION_TEXT, SECTION_ANY, SECTIONS = SECTION_ANY } ConfigSection;

typedef enum {
    KEY_INT, KEY_FLOAT, KEY_BOOL, KEY_ACT, KEY_SELECT,      // a member of ModelConfig: int64_t, float, bool, Activation, FeatureSelect
    KEY_FIXED,                                              // must have one value, because nothing else is computed
    KEY_DERIVED,                                            // read and written by hand in config.c
    KEY_IGNORED                                             // changes no number
} ConfigKind;

typedef struct {
    ConfigSection section;
    ConfigKind    kind;
    size_t        offset;        // of the member in ModelConfig
    const char   *name;
    double        fallback;      // the value of an absent key: transformers' default
    int64_t       least;         // the smallest value of a KEY_INT
    const char   *fixed;         // the value of a KEY_FIXED, as JSON
} ConfigKey;

/* --- Weights --- */

// llava_weights.def says what each is
typedef enum { START_MATRIX, START_RESIDUAL, START_TABLE, START_ONE, START_ZERO } WeightStart;
typedef enum { DTYPE_KEEP, DTYPE_WIDE } WeightDtype;       // the dtype of the file is kept, or widened to F32

/* One weight, or one weight of every layer. Neighbouring lines of the same tower are listed layer by layer. */
typedef struct {
    int         tower;         // which run of layers the weight belongs to; 0: none
    const char *name;          // with %zu for the number of the layer
    bool        present;       // whether the config has it
    Shape       shape;
    WeightDtype dtype;
    WeightStart start;
    // the layers that have it, and the layers that the forward pass runs; weights of the others are idle
    size_t      layers, run;
} WeightLine;

/* The beginning of a name in other files, and in the Hub's layout. in_memory: modules of transformers have this name in
 * memory, and PEFT writes it. */
typedef struct { const char *other, *hub; bool in_memory; } NameLayout;

/* --- The record --- */

typedef struct Architecture {
    const char *model_type;               // of config.json: "llava"
    const char *class_name;               // `architectures` of config.json: "LlavaForConditionalGeneration"
    const char *source;                   // the paper

    const ConfigKey *keys;
    size_t           key_count;
    const char *vision_config, *text_config;      // JSON: what an absent sub-config stands for
    int64_t     layers_max;               // layers of a tower, at most
    /* What keys must fulfil together. `path` begins the sentence. Called once every KEY_INT and KEY_FLOAT is in its
     * range. */
    bool (*check)(const ModelConfig *c, const char *path, Error *e);

    /* The weights in their order, in `a`; NULL: no memory. */
    const WeightLine *(*weights)(const ModelConfig *c, size_t *count, Arena *a);
    const char *embedding, *head;         // the table of embeddings; the head, which a tied model does not have
    const char *buffers;                  // patterns of names in older files that are not parameters
    const char *tables;                   // patterns of 2-D weights that are looked up, so that LoRA has no adapter there
    const char *projector;                // patterns of the weights between the towers, trained with "proj+llm"
    const char *lora_targets;             // patterns of the modules that LoRA adapts unless told otherwise
    const NameLayout *layouts;            // the longer beginnings first
    size_t            layout_count;

    size_t pictures;                      // of a sample that shows any
    Shape  (*pixels)(const ModelConfig *c);             // of one picture: [channels, height, width]
    size_t (*image_tokens)(const ModelConfig *c);       // rows of the language model that one picture takes

    /* The forward pass; `cache` NULL: the batch stands alone. On failure the Error of the tape holds the sentence. */
    Forward (*forward)(Tape *t, Params *p, const Batch *b, Cache *cache);
    /* The rest of it: the logits where the hidden state `layer` is `hidden` (model_forward_from). */
    Node *(*forward_from)(Tape *t, Params *p, const Batch *b, size_t layer, Node *hidden);
} Architecture;

#define ARCHITECTURE(name) extern const Architecture architecture_##name;
#include "model/arch.def"
#undef ARCHITECTURE

extern const Architecture *const architectures[];
extern const size_t architectures_count;

/* The record of this model_type, or NULL. */
const Architecture *architecture_find(const char *model_type);
/* "\"llava\"" for a sentence: every model_type in quotes, in `a`. NULL: no memory. */
const char *architecture_names(Arena *a);

#endif
