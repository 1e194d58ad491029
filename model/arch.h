/* SPDX-License-Identifier: MIT */
/* Architecture: a family of models as one record, with its keys of config.json, its weights, its pictures and its
 * forward pass.
 *
 * arch.def is the list of records. LLaVA-1.5 is the record `architecture_llava` in llava.c. A second family needs
 * one more file with its record, and one more line of arch.def. The readers of config.json and of weights, LoRA,
 * batches and training all use the record. A record is constant, so threads may share it. No pointer of it is NULL
 * unless its comment says so. */
#ifndef PULSE_MODEL_ARCH_H
#define PULSE_MODEL_ARCH_H

#include "model/weights.h"
#include "tensor/tape.h"

/* What the forward pass takes and gives. model.h and batch.h define these types. */
typedef struct Batch Batch;
typedef struct Cache Cache;
typedef struct Forward Forward;
typedef struct Params Params;

/* --- config.json --- */

// the file itself, its vision_config, its text_config; ANY: each of the three may have the key
typedef enum { SECTION_TOP, SECTION_VISION, SECTION_TEXT, SECTION_ANY } ConfigSection;

typedef enum {
    KEY_INT, KEY_FLOAT, KEY_BOOL, KEY_ACT, KEY_SELECT,      // int64_t, float, bool, Activation, FeatureSelect
    KEY_FIXED,                                              // has only one allowed value
    KEY_DERIVED,                                            // config.c has its own code for the key (llava_config.def)
    KEY_IGNORED                                             // changes no number
} ConfigKind;

typedef struct {
    ConfigSection section;
    ConfigKind    kind;
    size_t        offset;        // where the member is in ModelConfig
    const char   *name;
    double        fallback;      // the value if the key is absent or null: transformers' default
    int64_t       least;         // the smallest value of a KEY_INT
    const char   *fixed;         // the value of a KEY_FIXED, as JSON
} ConfigKey;

/* --- Weights --- */

// how the values of a new weight begin; llava_weights.def describes each way
typedef enum { START_MATRIX, START_RESIDUAL, START_TABLE, START_ONE, START_ZERO } WeightStart;
typedef enum { DTYPE_KEEP, DTYPE_WIDE } WeightDtype;       // the dtype of the file is kept, or widened to F32

/* One line of the record's table: a single weight, or a weight that every layer of a tower has. A tower is the vision
 * tower or the language model. Neighbouring lines of the same tower are listed layer by layer. */
typedef struct {
    int         tower;         // neighbouring lines with the same number form a group, which is listed layer by layer
    const char *name;          // with %zu in place of the layer's number
    bool        present;       // whether a model with this config has the weight
    Shape       shape;
    WeightDtype dtype;
    WeightStart start;
    // how many layers have the weight, and how many of them, from the first on, the forward pass runs. A single weight
    // counts as one layer; if the forward pass never reads it, `run` is 0
    size_t      layers, run;
} WeightLine;

/* How the names of some weights begin: with `hub` in the Hub's layout, with `other` in another layout. in_memory:
 * name_memory (names.h) uses this line too. Lines without it are only for reading. */
typedef struct { const char *other, *hub; bool in_memory; } NameLayout;

/* --- The record --- */

typedef struct Architecture {
    const char *model_type;               // of config.json: "llava"
    const char *class_name;               // `architectures` of config.json: "LlavaForConditionalGeneration"
    const char *source;                   // the paper that describes it

    const ConfigKey *keys;
    size_t           key_count;
    const char *vision_config, *text_config;      // JSON: the value of an absent sub-config
    int64_t     layers_max;               // the most layers of a tower
    /* Checks the conditions between keys, after every KEY_INT and KEY_FLOAT was found in its range. `path` begins the
     * sentence of a failure. */
    bool (*check)(const ModelConfig *c, const char *path, Error *e);

    /* The table of weights with the numbers of this config, in `a`; NULL: no memory. */
    const WeightLine *(*weights)(const ModelConfig *c, size_t *count, Arena *a);
    const char *embedding, *head;         // names: the table of embeddings; the head, which a tied model does not have
    const char *buffers;                  // patterns: tensors of older files that are not parameters
    const char *tables;                   // patterns of 2-D weights that are look-up tables, which LoRA does not adapt
    const char *projector;                // patterns of the weights between the towers, trained with "proj+llm"
    const char *lora_targets;             // patterns of the modules that LoRA adapts unless told otherwise
    const NameLayout *layouts;            // longer beginnings come first
    size_t            layout_count;

    size_t pictures;                      // how many pictures a sample with pictures has
    Shape  (*pixels)(const ModelConfig *c);             // of one picture: [channels, height, width]
    size_t (*image_tokens)(const ModelConfig *c);       // rows of the language model that one picture takes

    /* The forward pass; `cache` may be NULL. On failure the Error of the tape holds the sentence. */
    Forward (*forward)(Tape *t, Params *p, const Batch *b, Cache *cache);
    /* Runs the forward pass from hidden state number `layer` on (0: the embeddings), whose value is `hidden`; returns
     * the logits. */
    Node *(*forward_from)(Tape *t, Params *p, const Batch *b, size_t layer, Node *hidden);
} Architecture;

#define ARCHITECTURE(name) extern const Architecture architecture_##name;
#include "model/arch.def"
#undef ARCHITECTURE

extern const Architecture *const architectures[];
extern const size_t architectures_count;

/* The record of this model_type, or NULL. */
const Architecture *architecture_find(const char *model_type);
/* All model_types for a sentence, each in quotes, joined by " or "; the text is in `a`. NULL: no memory. */
const char *architecture_names(Arena *a);

#endif
