/* SPDX-License-Identifier: MIT */
/* Evaluate: questions in, answers out. What a metric is made of stands in the Results, one a question.
 *
 *     Questions q;
 *     questions_begin(&q, &arena);
 *     questions_add(&q, &persons, (Choice){ KIND_OPEN, &unlearn, 0 }, &error);
 *     Result *r = evaluate(&model, &reader, &q, DEPTH_OPTIONS, &arena, &error);
 *
 * Each question is answered alone (a batch cannot be seen in the bits, GRAPH.md): `exact` is exact match, the greedy text
 * would be exactly the answer; `likely` is that of the options the answer has the least CE = RN(NLL / T), the first on ties. */
#ifndef PULSE_EVAL_EVALUATE_H
#define PULSE_EVAL_EVALUATE_H

#include "eval/entities.h"
#include "model/llava.h"
#include "model/training/dataset.h"
#include "model/training/stream.h"

typedef struct {
    const Dataset *from;
    const Sample  *sample;
} Question;

typedef struct {
    Question *question;
    size_t    count, room;
    Arena    *arena;
} Questions;

/* Which of a file's questions: of the test, or of training. */
typedef struct {
    Kind kind;
    const EntityList *entities;          // NULL: of all
    int64_t frames;                      // of each entity, skill and modality so many, the first in the file; 0: all
    bool trained;
} Choice;

void questions_begin(Questions *q, Arena *a);
bool questions_add(Questions *q, const Dataset *from, Choice c, Error *e);

/* What is asked for besides exact match: the CE of every option; and the greedy text where it is not the answer, up to 6 tokens with the end (DEPTH_TEXT)
 * or up to 50, as MLLMU-Bench has it (DEPTH_LONG). */
typedef enum { DEPTH_EXACT, DEPTH_OPTIONS, DEPTH_TEXT, DEPTH_LONG } Depth;

typedef struct {
    const char *id, *entity, *group, *skill, *answer;
    Modality    modality;
    Kind        kind;
    bool        exact, likely;
    float       nll, ce;
    size_t      tokens, right;           // supervised tokens, and those that are the argmax
    float      *token_nll;               // [tokens]
    uint8_t    *token_right;             // [tokens]
    size_t      option_count;
    float      *option_ce;               // [option_count]; NULL: not asked for
    const char *text;                    // greedy; NULL: not asked for
} Result;

/* One Result a question, in order; NULL on failure. */
Result *evaluate(const Model *m, const Reader *r, const Questions *q, Depth depth, Arena *a, Error *e);

/* Place of the least of n values; the first on ties. */
size_t least(const float *value, size_t n);

#endif
