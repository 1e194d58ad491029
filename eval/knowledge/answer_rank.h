/* SPDX-License-Identifier: MIT */
/* Answer rank: how many values of an attribute a model finds more likely than the right one. Unlearning that only keeps a model from
 * saying an answer leaves the answer's rank where it was.
 *
 * The values of an attribute are the different answers to all open questions of a data set with the same group and skill, in the order
 * of their bytes; the position of a value in this order is its id. A value's score is its log p, which is the sum in binary64, in the
 * order of its tokens, of the fp32 log p of each, the end token included. */
#ifndef PULSE_EVAL_KNOWLEDGE_ANSWER_RANK_H
#define PULSE_EVAL_KNOWLEDGE_ANSWER_RANK_H

#include "eval/evaluate.h"

/* The rank of the value `right` among n: 1 + the number of values whose score is strictly greater, or equal with a lower id. It is n
 * where the score of `right` is NaN. */
size_t rank_among(const double *score, size_t n, size_t right);

typedef struct { const char **value; size_t count; } Values;
/* The values of the attribute that `x`, a sample of the data set, asks for, in `a`. */
bool values_of(Values *out, const Dataset *from, const Sample *x, Arena *a);

typedef struct { size_t rank, values; } AnswerRank;
/* The ranks of the answers to all questions, which are open ones, in `a`. NULL: a question cannot be read, or memory ran out. */
AnswerRank *answer_ranks(const Model *m, const Reader *r, const Questions *q, Arena *a, Error *e);

/* (n - rank) / (n - 1): 1 for the first of n values, 0 for the last, 1/2 on average where the order is chance; NaN where n < 2. So
 * attributes of any number of values can be averaged. */
double rank_score(AnswerRank x);

#endif
