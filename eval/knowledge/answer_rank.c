/* SPDX-License-Identifier: MIT */
#include "eval/knowledge/answer_rank.h"

#include <math.h>
#include <string.h>
#include "model/training/score.h"

// the cached rows of a question are kept for the next one only if there are at most this many, as in evaluate.c
enum { KEPT_ROWS = 2048 };

size_t rank_among(const double *score, size_t n, size_t right)
{
    size_t rank = 1;
    if (isnan(score[right]))
        return n;
    for (size_t k = 0; k < n; k++)
        rank += score[k] > score[right] || (score[k] == score[right] && k < right);
    return rank;
}

double rank_score(AnswerRank x)
{
    return x.values > 1 ? (double)(x.values - x.rank) / (double)(x.values - 1) : NAN;
}

/* The index of a text among the sorted values, or the index at which it would be inserted. */
static size_t place_of(const Values *v, const char *text)
{
    size_t low = 0, high = v->count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (strcmp(v->value[middle], text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool same_attribute(const Sample *x, const Sample *y)
{
    return x->kind == KIND_OPEN && strcmp(x->group, y->group) == 0 && strcmp(x->skill, y->skill) == 0;
}

bool values_of(Values *out, const Dataset *from, const Sample *x, Arena *a)
{
    *out = (Values){ .value = arena_array(a, from->count, sizeof *out->value) };
    for (size_t k = 0; out->value && k < from->count; k++) {
        if (!same_attribute(&from->sample[k], x))
            continue;
        const char *text = from->sample[k].answer;
        const size_t at = place_of(out, text);
        if (at < out->count && strcmp(out->value[at], text) == 0)
            continue;
        memmove(out->value + at + 1, out->value + at, (out->count - at) * sizeof *out->value);
        out->value[at] = text;
        out->count++;
    }
    return out->value != NULL;
}

/* The values of each attribute that a question has asked for so far: each attribute's values are listed only once. */
typedef struct { const Question **asked; Values *values; size_t count; } Attributes;

static const Values *attribute(Attributes *known, const Question *q, Arena *a)
{
    for (size_t k = 0; k < known->count; k++)
        if (known->asked[k]->from == q->from && same_attribute(q->sample, known->asked[k]->sample))
            return &known->values[k];
    Values *v = &known->values[known->count];
    if (!values_of(v, q->from, q->sample, a))
        return NULL;
    known->asked[known->count++] = q;
    return v;
}

static double log_p(const SampleScore *s)
{
    double sum = 0;
    for (size_t k = 0; k < s->tokens; k++)
        sum += -(double)s->token_nll[k];
    return sum;
}

/* Asks one question with every value as its answer. */
static bool rank_one(Prefixes *x, const Reader *r, const Question *q, const Values *v, AnswerRank *out, Arena *scratch, Error *e)
{
    BatchSample *sample = arena_array(scratch, v->count, sizeof *sample);
    SampleScore *score = arena_array(scratch, v->count, sizeof *score);
    double *sum = arena_array(scratch, v->count, sizeof *sum);
    const size_t right = place_of(v, q->sample->answer);
    bool good = sample && score && sum && reader_sample(r, q->from, q->sample, v->value[0], 0, NO_AUGMENT, &sample[0], scratch, e);
    for (size_t k = 1; good && k < v->count; k++)
        good = reader_again(r, q->from, q->sample, v->value[k], false, sample[0].pixels, &sample[k], scratch, e);
    if (!good || !score_with(x, sample, v->count, score, scratch, e))
        return false;
    for (size_t k = 0; k < v->count; k++)
        sum[k] = log_p(&score[k]);
    *out = (AnswerRank){ rank_among(sum, v->count, right), v->count };
    return true;
}

AnswerRank *answer_ranks(const Model *m, const Reader *r, const Questions *q, Arena *a, Error *e)
{
    AnswerRank *out = arena_array(a, q->count, sizeof *out);
    Arena own = arena_make(e), scratch = arena_make(e);
    Attributes known = { arena_array(&own, q->count, sizeof *known.asked), arena_array(&own, q->count, sizeof *known.values), 0 };
    Prefixes *x = prefixes_make(m, m->memory, e);
    bool good = out && known.asked && known.values && x;
    for (size_t k = 0; good && k < q->count; k++) {
        const Values *v = attribute(&known, &q->question[k], &own);
        if (prefixes_rows(x) > KEPT_ROWS)
            prefixes_forget(x);
        good = v && rank_one(x, r, &q->question[k], v, &out[k], &scratch, e);
        arena_reset(&scratch);
    }
    prefixes_free(x);
    arena_free(&scratch);
    arena_free(&own);
    return good && !e->failed ? out : NULL;
}
