/* SPDX-License-Identifier: MIT */
#include "eval/evaluate.h"
#include "model/training/score.h"

#include <string.h>

enum { CHUNK = 64, TEXT_TOKENS = 6, LONG_TOKENS = 50 };

void questions_begin(Questions *q, Arena *a)
{
    *q = (Questions){ .arena = a };
}

/* How many questions before this one in the file ask for the same fact, in another paraphrase. */
static int64_t paraphrases_before(const Dataset *from, const Sample *x, Kind kind)
{
    int64_t n = 0;
    for (const Sample *y = x; y-- > from->sample && strcmp(y->entity, x->entity) == 0;)
        n += y->split == x->split && y->kind == kind && y->modality == x->modality && strcmp(y->skill, x->skill) == 0;
    return n;
}

static bool wanted(const Dataset *from, const Sample *x, Choice c)
{
    return (x->split == SPLIT_TRAIN) == c.trained && x->kind == c.kind && (!c.entities || entity_list_has(c.entities, x->entity))
        && (c.paraphrases == 0 || paraphrases_before(from, x, c.kind) < c.paraphrases);
}

bool questions_add(Questions *q, const Dataset *from, Choice c, Error *e)
{
    if (q->count + from->count > q->room) {
        size_t room = 2 * (q->count + from->count);
        Question *larger = arena_array(q->arena, room, sizeof *larger);
        if (!larger)
            return false;
        if (q->count)
            memcpy(larger, q->question, q->count * sizeof *larger);
        q->question = larger;
        q->room = room;
    }
    size_t before = q->count;
    for (size_t k = 0; k < from->count; k++)
        if (wanted(from, &from->sample[k], c))
            q->question[q->count++] = (Question){ from, &from->sample[k] };
    return q->count > before
        || error_set(e, "%s:1: no %s question of the kind \"%s\" for those that are asked about", from->path,
                     c.trained ? "training" : "test", kind_name(c.kind));
}

size_t least(const float *value, size_t n)
{
    size_t best = 0;
    for (size_t k = 1; k < n; k++)
        if (value[k] < value[best])
            best = k;
    return best;
}

static bool result_take(Result *out, const Sample *x, const BatchSample *b, const SampleScore *s, Arena *a)
{
    *out = (Result){ x->id, x->entity, x->group, x->skill, x->answer, x->modality, x->kind, s->exact, false, s->nll, s->ce,
                     s->tokens, s->right,
                     arena_array(a, s->tokens, sizeof(float)), arena_array(a, s->tokens, 1), 0, NULL, NULL, x->pair };
    if (!out->token_nll || !out->token_right)
        return false;
    memcpy(out->token_nll, s->token_nll, s->tokens * sizeof(float));
    for (size_t k = 0, row = 0; k < b->n; k++)
        if (b->targets[k] >= 0) {
            out->token_right[row] = s->argmax[row] == b->targets[k];
            row++;
        }
    return true;
}

static bool is_answer(const Question *q, size_t option)
{
    return strcmp(q->sample->options[option], q->sample->answer) == 0;
}

/* Scores every option that is not the answer, as if it were the answer: one long list of samples. */
static bool options_score(const Model *m, const Reader *r, const Question *q, size_t n, Result *out, Arena *a, Arena *scratch,
                          Error *e)
{
    size_t all = 0, at = 0;
    for (size_t k = 0; k < n; k++)
        all += q[k].sample->option_count;
    BatchSample *samples = arena_array(scratch, all, sizeof *samples);
    SampleScore *scores = arena_array(scratch, all, sizeof *scores);
    if (!samples || !scores)
        return false;
    for (size_t k = 0; k < n; k++)
        for (size_t j = 0; j < q[k].sample->option_count; j++)
            if (!is_answer(&q[k], j)
                && !reader_sample(r, q[k].from, q[k].sample, q[k].sample->options[j], 0, NO_AUGMENT, &samples[at++], scratch, e))
                return false;
    if (!score_samples(m, samples, at, 0, scores, scratch, e))
        return false;
    at = 0;
    for (size_t k = 0; k < n; k++) {
        const Sample *x = q[k].sample;
        out[k].option_count = x->option_count;
        out[k].option_ce = arena_array(a, x->option_count, sizeof(float));
        for (size_t j = 0; out[k].option_ce && j < x->option_count; j++)
            out[k].option_ce[j] = is_answer(&q[k], j) ? out[k].ce : scores[at++].ce;
        if (!out[k].option_ce)
            return false;
        if (x->option_count == 0)
            out[k].option_ce = NULL;
        out[k].option_right = x->option_count && strcmp(x->options[least(out[k].option_ce, x->option_count)], x->answer) == 0;
    }
    return true;
}

/* A question whose greedy text is being generated.
 * The sample is its prompt and the tokens so far; its last row says the next token. */
typedef struct {
    int32_t ids[LONG_TOKENS];
    size_t  said, most;
    bool    over;
    BatchSample sample;
} Speech;

/* most: how many tokens with the end token, at most. A prompt that fills all positions still has its next token. */
static bool speech_begin(Speech *s, const BatchSample *prompt, size_t most, size_t positions, Arena *scratch)
{
    most = positions - prompt->n + 2 < most ? positions - prompt->n + 2 : most;
    size_t room = prompt->n + most;
    int32_t *ids = arena_array(scratch, room, sizeof *ids), *targets = arena_array(scratch, room, sizeof *targets);
    if (!ids || !targets)
        return false;
    memcpy(ids, prompt->ids, prompt->n * sizeof *ids);
    for (size_t k = 0; k < room; k++)
        targets[k] = -1;
    targets[prompt->n - 1] = 0;
    *s = (Speech){ .most = most, .sample = { ids, targets, prompt->n, prompt->pixels } };
    return true;
}

static void speech_take(Speech *s, int32_t token, int32_t end)
{
    BatchSample *b = &s->sample;
    ((int32_t *)b->targets)[b->n - 1] = -1;
    ((int32_t *)b->targets)[b->n] = 0;
    ((int32_t *)b->ids)[b->n++] = token;
    s->over = token == end;
    if (!s->over)
        s->ids[s->said++] = token;
    s->over |= s->said == s->most - 1;
}

/* Generates the next token of every text that is not over, in one forward pass. *more: whether there was any. */
static bool speeches_go_on(const Model *m, const Reader *r, Speech *s, size_t n, bool *more, Arena *scratch, Error *e)
{
    BatchSample *samples = arena_array(scratch, n, sizeof *samples);
    SampleScore *scores = arena_array(scratch, n, sizeof *scores);
    size_t count = 0, at = 0;
    for (size_t k = 0; samples && k < n; k++)
        if (!s[k].over)
            samples[count++] = s[k].sample;
    *more = count > 0;
    if (!samples || !scores || (count && !score_samples(m, samples, count, 0, scores, scratch, e)))
        return false;
    for (size_t k = 0; k < n; k++)
        if (!s[k].over)
            speech_take(&s[k], scores[at++].argmax[0], r->end);
    return true;
}

/* An exact answer is its own greedy text. The other texts are generated side by side, one token in each pass. */
static bool texts_write(const Model *m, const Reader *r, const Question *q, size_t n, size_t most, Result *out, Arena *a,
                        Arena *scratch, Error *e)
{
    Speech *s = arena_array(scratch, n, sizeof *s);
    bool more = true;
    for (size_t k = 0; s && k < n; k++) {
        BatchSample prompt;
        if (!reader_prompt(r, q[k].from, q[k].sample, &prompt, scratch, e)
            || !speech_begin(&s[k], &prompt, most, r->positions, scratch))
            return false;
        s[k].over = out[k].exact;
    }
    while (s && more)
        if (!speeches_go_on(m, r, s, n, &more, scratch, e))
            return false;
    for (size_t k = 0; s && k < n; k++)
        if (!(out[k].text = out[k].exact ? out[k].answer : tokenizer_decode(r->style.text, s[k].ids, s[k].said, true, a, e)))
            return false;
    return s != NULL;
}

static bool chunk_answer(const Model *m, const Reader *r, const Question *q, size_t n, Depth depth, Result *out, Arena *a,
                         Arena *scratch, Error *e)
{
    BatchSample *samples = arena_array(scratch, n, sizeof *samples);
    SampleScore *scores = arena_array(scratch, n, sizeof *scores);
    if (!samples || !scores)
        return false;
    for (size_t k = 0; k < n; k++)
        if (!reader_sample(r, q[k].from, q[k].sample, NULL, 0, NO_AUGMENT, &samples[k], scratch, e))
            return false;
    if (!score_samples(m, samples, n, 0, scores, scratch, e))
        return false;
    for (size_t k = 0; k < n; k++)
        if (!result_take(&out[k], q[k].sample, &samples[k], &scores[k], a))
            return false;
    if (depth >= DEPTH_OPTIONS && !options_score(m, r, q, n, out, a, scratch, e))
        return false;
    return depth < DEPTH_TEXT || texts_write(m, r, q, n, depth == DEPTH_LONG ? LONG_TOKENS : TEXT_TOKENS, out, a, scratch, e);
}

Result *evaluate(const Model *m, const Reader *r, const Questions *q, Depth depth, Arena *a, Error *e)
{
    Result *out = arena_array(a, q->count, sizeof *out);
    Arena scratch = arena_make(e);
    bool good = out != NULL && (depth < DEPTH_TEXT || reader_generates(r, e));
    for (size_t first = 0, n; good && first < q->count; first += n) {
        n = q->count - first < CHUNK ? q->count - first : CHUNK;
        good = chunk_answer(m, r, q->question + first, n, depth, out + first, a, &scratch, e);
        arena_reset(&scratch);
    }
    arena_free(&scratch);
    return good && !e->failed ? out : NULL;
}
