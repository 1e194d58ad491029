/* SPDX-License-Identifier: MIT */
/* Evaluate: asks a model questions, and keeps the numbers that metrics are computed from, one Result for each question.
 *
 *     Questions q;
 *     questions_begin(&q, &arena);
 *     questions_add(&q, &persons, (Choice){ KIND_OPEN, &forget, 0, false }, &error);
 *     Result *r = evaluate(&model, &reader, &q, DEPTH_OPTIONS, &arena, &error);
 *
 * A result does not depend on the other questions of its batch, in any bit. */
#ifndef PULSE_EVAL_EVALUATE_H
#define PULSE_EVAL_EVALUATE_H

#include "eval/entities.h"
#include "model/model.h"
#include "model/training/dataset.h"
#include "model/training/stream.h"

typedef struct {
    const Dataset *from;
    const Sample  *sample;
} Question;

typedef struct {
    Question *question;
    size_t    count, capacity;
    Arena    *arena;
} Questions;

/* Which questions of a file are asked. */
typedef struct {
    Kind kind;
    const EntityList *entities;          // about these; NULL: about all
    int64_t paraphrases;                 // at most this many for each entity, skill and modality, the first ones; 0: all
    bool trained;                        // the training questions; else the test questions
} Choice;

/* The list of questions lives in `a`; it points into the samples, which must outlive it. */
void questions_begin(Questions *q, Arena *a);
/* Error: no question of the file is chosen. */
bool questions_add(Questions *q, const Dataset *from, Choice c, Error *e);

/* What is computed for each question. Each depth also computes what the depths before it do; DEPTH_LONG has the longer
 * text in place of the short one.
 *     DEPTH_EXACT    the NLL of the answer
 *     DEPTH_OPTIONS  the CE of every option
 *     DEPTH_TEXT     the greedy text, of at most 6 tokens with the end token
 *     DEPTH_LONG     the greedy text, of at most 50 tokens, as in MLLMU-Bench */
typedef enum { DEPTH_EXACT, DEPTH_OPTIONS, DEPTH_TEXT, DEPTH_LONG } Depth;

typedef struct {
    const char *id, *entity, *group, *skill, *answer;
    Modality    modality;
    Kind        kind;
    bool        exact;                   // the greedy text would be exactly the answer
    // of all options, the answer has the smallest CE (on ties the first option wins); "likely" in answers.jsonl
    bool        option_right;
    float       nll, ce;                 // in nats: of the answer with its end token, and CE = RN(NLL / T)
    size_t      tokens, right;           // T, the number of these tokens, and how many are the argmax of their row
    float      *token_nll;               // [tokens]
    uint8_t    *token_right;             // [tokens]
    size_t      option_count;
    float      *option_ce;               // [option_count]; NULL: not asked for, or there are no options
    const char *text;                    // the greedy text; NULL: not asked for
    const char *pair;                    // the pair of its sample (sample.h); NULL: none
} Result;

/* [q->count] results, in the order of the questions, in `a`; NULL on failure. The strings of a result,
 * except `text`, are those of its sample. */
Result *evaluate(const Model *m, const Reader *r, const Questions *q, Depth depth, Arena *a, Error *e);

/* Asks several models, each a part of the questions. Parts are numbered from 0: part_of[k] is the part of question k.
 * `ask` asks the questions of one part, as evaluate does. `ask` is not called for a part without questions. */
typedef Result *(*EvaluatePart)(void *context, size_t part, const Questions *q, Arena *a, Error *e);
Result *evaluate_parts(const Questions *q, const size_t *part_of, size_t parts, EvaluatePart ask, void *context, Arena *a, Error *e);

/* The index of the least of n values, the first on ties; n > 0. */
size_t least(const float *value, size_t n);

#endif
