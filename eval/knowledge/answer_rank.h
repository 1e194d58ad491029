/* SPDX-License-Identifier: MIT */
/* Answer rank: how many values of an attribute a model finds more likely than the right one. If unlearning only keeps a
 * model from saying an answer, the answer's rank stays what it was.
 *
 * The values of an attribute are the different answers to all open questions of a data set with the same group and
 * skill, sorted by their bytes; the index of a value in this order is its id. The score of a value is its log p: the
 * sum of the fp32 log p of its tokens and of the end token, added in binary64 in the order of the tokens. */
#ifndef PULSE_EVAL_KNOWLEDGE_ANSWER_RANK_H
#define PULSE_EVAL_KNOWLEDGE_ANSWER_RANK_H

#include "eval/evaluate.h"

/* The rank of the value `right` among n values: 1 + the number of values with a greater score, or with an equal score
 * and a lower id. It is n where the score of `right` is NaN. */
size_t rank_among(const double *score, size_t n, size_t right);

typedef struct { const char **value; size_t count; } Values;
/* The values of the attribute that sample `x` of the data set asks for, in `a`. */
bool values_of(Values *out, const Dataset *from, const Sample *x, Arena *a);

typedef struct { size_t rank, values; } AnswerRank;
/* The ranks of the answers to all questions, in `a`; all questions must be open ones. NULL: a question cannot be
 * read, or memory ran out. */
AnswerRank *answer_ranks(const Model *m, const Reader *r, const Questions *q, Arena *a, Error *e);

/* (n - rank) / (n - 1): 1 for the first of n values, 0 for the last, 1/2 on average if the order is chance; NaN where
 * n < 2. So attributes with different numbers of values can be averaged. */
double rank_score(AnswerRank x);

#endif
