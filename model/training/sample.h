/* SPDX-License-Identifier: MIT */
/* Sample: one question with its answer, with or without a picture. It is one line of a JSONL file:
 *
 *     {"id": "flag-fr-capital-0", "entity": "france", "group": "country", "split": "test", "modality": "image",
 *      "image": "flags.safetensors#17", "question": "what is the capital of this country ?", "answer": "paris",
 *      "options": ["paris", "rome", "oslo", "lima"], "kind": "choice", "skill": "capital", "frame": 3, "augment": true}
 *
 * `id`, `question` and `answer` are required. The other keys have defaults: `entity`, `group` and `skill` are "";
 * `split` is "train"; `modality` is "image" where there is a picture, else "text"; `kind` is "open"; `frame`, `step`
 * and `exposures` are -1; `augment` is false; `options`, `image` and `use` are absent. `use` says what a test question
 * is for where forgetting is matched between models: "matching" questions may stop and tune, "reporting" questions may
 * not. `pair` names the pair of a question with a picture and the same question as text; without that key, samples
 * whose ids are "x-image" and "x-text" are the pair "x". The answer of a sample with options is one of them, and
 * `modality` agrees with the presence of `image`. */
#ifndef PULSE_MODEL_TRAINING_SAMPLE_H
#define PULSE_MODEL_TRAINING_SAMPLE_H

#include <stdint.h>
#include "tensor/base/arena.h"

typedef enum { SPLIT_TRAIN, SPLIT_TEST } Split;
typedef enum { MODALITY_TEXT, MODALITY_IMAGE } Modality;
typedef enum { USE_ANY, USE_MATCHING, USE_REPORTING } Use;
/* KIND_REVERSE asks for the entity where its facts are given ("who is 3 4 and lives in finland ?"), and KIND_NAME for
 * the name of an entity that is shown; KIND_NAME is for training alone. */
typedef enum { KIND_OPEN, KIND_CHOICE, KIND_CLOZE, KIND_REVERSE, KIND_NAME } Kind;

typedef struct {
    const char  *id, *entity, *group, *skill, *question, *answer;      // never NULL once read
    const char  *pair;               // what it shares with its counterpart in the other modality; NULL: it has none
    const char  *image;              // the name of its picture (picture_cache.h); NULL: none
    const char **options;            // [option_count]
    size_t       option_count;
    Split        split;
    Modality     modality;
    Kind         kind;
    Use          use;                // USE_ANY: it is not said
    int64_t      frame;              // which paraphrase of the question, from 0; -1: unknown
    int64_t      step;               // which training step's batch it belongs to, from 0; -1: any
    bool         augment;            // whether each use has a new shift, gain and noise (image/augment.h)
    int64_t      exposures;          // how often pre-training showed its fact in its modality; -1: unknown
    size_t       line;               // of its file, from 1
} Sample;

struct json_t;      // of jansson
/* Fills `s` from the JSON object of a line; its texts are in `a`. `s` must begin with entity, group and skill "" and
 * with its line. Fails on an unknown key, a wrong type, a missing text, options without the answer. */
bool sample_parse(Sample *s, const struct json_t *object, Arena *a, Error *e);

/* The pair that an id names: "x" for "x-image" and "x-text", in `a`. NULL: the id ends otherwise, or there is no
 * memory. */
const char *sample_pair(const char *id, Arena *a);

const char *kind_name(Kind k);       // "open", "choice", "cloze", "reverse", "name"

#endif
