/* SPDX-License-Identifier: MIT */
/* Sample: one question with its answer, with or without a picture. It is one line of a JSONL file:
 *
 *     {"id": "flag-fr-capital-0", "entity": "france", "group": "country", "split": "test", "modality": "image",
 *      "image": "flags.safetensors#17", "question": "what is the capital of this country ?", "answer": "paris",
 *      "options": ["paris", "rome", "oslo", "lima"], "kind": "choice", "skill": "capital", "frame": 3, "augment": true}
 *
 * `id`, `question` and `answer` are required. The other keys may be absent:
 *     entity, group, skill    default ""
 *     split                   "train" (default) or "test"
 *     image, modality         `modality` is "image" if there is an `image`, otherwise "text"
 *     kind                    default "open"
 *     frame, step, exposures  default -1
 *     augment                 default false
 *     options                 if there are options, the answer must be one of them
 *     use                     "any" (default), or the use of a test question when models are compared at equal
 *                             forgetting: "matching" questions may decide when to stop and how to tune, "reporting"
 *                             questions may not
 *     pair                    the common name of a question with a picture and the same question as text; without this
 *                             key, samples with the ids "x-image" and "x-text" are the pair "x" */
#ifndef PULSE_MODEL_TRAINING_SAMPLE_H
#define PULSE_MODEL_TRAINING_SAMPLE_H

#include <stdint.h>
#include "tensor/base/arena.h"

typedef enum { SPLIT_TRAIN, SPLIT_TEST } Split;
typedef enum { MODALITY_TEXT, MODALITY_IMAGE } Modality;
typedef enum { USE_ANY, USE_MATCHING, USE_REPORTING } Use;
/* KIND_REVERSE gives facts and asks for the entity ("who is 3 4 and lives in finland ?"). KIND_NAME asks for the
 * name of an entity that is shown, and is only for training. */
typedef enum { KIND_OPEN, KIND_CHOICE, KIND_CLOZE, KIND_REVERSE, KIND_NAME } Kind;

typedef struct {
    const char  *id, *entity, *group, *skill, *question, *answer;      // never NULL once read
    const char  *pair;               // the name that it shares with its counterpart in the other modality; NULL: none
    const char  *image;              // the name of the picture (picture_cache.h); NULL: none
    const char **options;            // [option_count]
    size_t       option_count;
    Split        split;
    Modality     modality;
    Kind         kind;
    Use          use;                // USE_ANY: "any", or the key is absent
    int64_t      frame;              // which paraphrase of the question, from 0; -1: unknown
    int64_t      step;               // the training step to whose batch the sample belongs, from 0; -1: any
    bool         augment;            // whether each use has a new shift, gain and noise (image/augment.h)
    int64_t      exposures;          // how often pre-training showed the fact in this modality; -1: unknown
    size_t       line;               // the line of the file, from 1
} Sample;

struct json_t;      // of jansson
/* Fills `s` from the JSON object of a line; the texts are in `a`. Before the call, entity, group and skill of `s`
 * must be "" and other texts NULL; `line` is left as it is. Fails on an unknown key, a wrong type, a missing text, or
 * options without the answer. */
bool sample_parse(Sample *s, const struct json_t *object, Arena *a, Error *e);

/* The pair that an id names, in `a`: "x" for "x-image" and "x-text". NULL: the id has another ending, or there is no
 * memory. */
const char *sample_pair(const char *id, Arena *a);

const char *kind_name(Kind k);       // "open", "choice", "cloze", "reverse", "name"

#endif
