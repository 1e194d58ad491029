/* SPDX-License-Identifier: MIT */
/* Answer: how a model answers. Log-likelihood of given answers in one teacher-forced pass, and greedy text.
 *
 * Every output is correctly rounded, so a sample alone, in a batch, cached or not, has the same bits.
 * exact: every supervised token is the argmax of its row (lowest id on ties), which is when greedy decoding would
 * have written exactly this answer. */
#ifndef PULSE_MODEL_TRAINING_ANSWER_H
#define PULSE_MODEL_TRAINING_ANSWER_H

#include "model/llava.h"

typedef struct {
    float  nll;                // NLL = RN(sum of nll over the supervised tokens)
    float  ce;                 // CE = RN(sum / T)
    size_t tokens;             // T
    size_t right;              // tokens that are the argmax
    bool   exact;              // right == T
    float *token_nll;          // [T]
    int32_t *argmax;           // [T]
} AnswerScore;

/* Scores of `count` samples, in order; batches of about `tokens` rows at a time (0: a default). */
bool answer_scores(const Model *m, const BatchSample *samples, size_t count, size_t tokens, AnswerScore *out, Arena *a, Error *e);

/* What must be thrown away afterwards lives in `a`. New tokens until `end` (included) or `room` of them. */
bool answer_greedy(const Model *m, const BatchSample *prompt, int32_t end, int32_t *out, size_t room, size_t *count, Error *e);

#endif
