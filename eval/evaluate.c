/* SPDX-License-Identifier: MIT */
#include "eval/evaluate.h"

#include <string.h>

enum { CHUNK = 64, TEXT_TOKENS = 16 };

void questions_begin(Questions *q, Arena *a)
{
    *q = (Questions){ .arena = a };
}

/* Questions before this one in the file that differ from it only in the frame. */
static int64_t frames_before(const Samples *from, const Sample *x, Kind kind)
{
    int64_t n = 0;
    for (const Sample *y = x; y-- > from->sample && strcmp(y->entity, x->entity) == 0;)
        n += y->split == SPLIT_TEST && y->kind == kind && y->modality == x->modality && strcmp(y->skill, x->skill) == 0;
    return n;
}

static bool wanted(const Samples *from, const Sample *x, Choice c)
{
    return x->split == SPLIT_TEST && x->kind == c.kind && (!c.entities || entity_list_has(c.entities, x->entity))
        && (c.frames == 0 || frames_before(from, x, c.kind) < c.frames);
}

bool questions_add(Questions *q, const Samples *from, Choice c, Error *e)
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
    return q->count > before || error_set(e, "%s:1: no test question of the kind \"%s\" for those that are asked about", from->path, kind_name(c.kind));
}

size_t least(const float *value, size_t n)
{
    size_t best = 0;
    for (size_t k = 1; k < n; k++)
        if (value[k] < value[best])
            best = k;
    return best;
}

static bool result_take(Result *out, const Sample *x, const BatchSample *b, const AnswerScore *s, Arena *a)
{
    *out = (Result){ x->id, x->entity, x->group, x->skill, x->answer, x->modality, x->kind, s->exact, false, s->nll, s->ce, s->tokens, s->right,
                     arena_array(a, s->tokens, sizeof(float)), arena_array(a, s->tokens, 1), 0, NULL, NULL };
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

/* Each option of each question as its answer: one long list of samples. */
static bool options_score(const Model *m, const Reader *r, const Question *q, size_t n, Result *out, Arena *a, Arena *scratch, Error *e)
{
    size_t all = 0, at = 0;
    for (size_t k = 0; k < n; k++)
        all += q[k].sample->option_count;
    BatchSample *samples = arena_array(scratch, all, sizeof *samples);
    AnswerScore *scores = arena_array(scratch, all, sizeof *scores);
    if (!samples || !scores)
        return false;
    for (size_t k = 0; k < n; k++)
        for (size_t j = 0; j < q[k].sample->option_count; j++)
            if (!reader_sample(r, q[k].from, q[k].sample, q[k].sample->options[j], 0, NO_AUGMENT, &samples[at++], scratch, e))
                return false;
    if (!answer_scores(m, samples, all, 0, scores, scratch, e))
        return false;
    at = 0;
    for (size_t k = 0; k < n; k++) {
        const Sample *x = q[k].sample;
        out[k].option_count = x->option_count;
        out[k].option_ce = arena_array(a, x->option_count, sizeof(float));
        for (size_t j = 0; out[k].option_ce && j < x->option_count; j++)
            out[k].option_ce[j] = scores[at++].ce;
        if (!out[k].option_ce)
            return false;
        out[k].likely = x->option_count && strcmp(x->options[least(out[k].option_ce, x->option_count)], x->answer) == 0;
    }
    return true;
}

/* An exact answer is its own greedy text; the others are written out. */
static bool text_write(const Model *m, const Reader *r, const Question *q, Result *out, Arena *a, Arena *scratch, Error *e)
{
    BatchSample prompt;
    int32_t ids[TEXT_TOKENS];
    size_t n = 0;
    if (out->exact) {
        out->text = out->answer;
        return true;
    }
    if (!reader_prompt(r, q->from, q->sample, &prompt, scratch, e) || !answer_greedy(m, &prompt, r->end, ids, TEXT_TOKENS, &n, e))
        return false;
    if (n && ids[n - 1] == r->end)
        n--;
    return (out->text = text_decode(r->style.text, ids, n, true, a, e)) != NULL;
}

static bool chunk_answer(const Model *m, const Reader *r, const Question *q, size_t n, Depth depth, Result *out, Arena *a, Arena *scratch, Error *e)
{
    BatchSample *samples = arena_array(scratch, n, sizeof *samples);
    AnswerScore *scores = arena_array(scratch, n, sizeof *scores);
    if (!samples || !scores)
        return false;
    for (size_t k = 0; k < n; k++)
        if (!reader_sample(r, q[k].from, q[k].sample, NULL, 0, NO_AUGMENT, &samples[k], scratch, e))
            return false;
    if (!answer_scores(m, samples, n, 0, scores, scratch, e))
        return false;
    for (size_t k = 0; k < n; k++)
        if (!result_take(&out[k], q[k].sample, &samples[k], &scores[k], a))
            return false;
    if (depth >= DEPTH_OPTIONS && !options_score(m, r, q, n, out, a, scratch, e))
        return false;
    for (size_t k = 0; depth == DEPTH_TEXT && k < n; k++)
        if (!text_write(m, r, &q[k], &out[k], a, scratch, e))
            return false;
    return true;
}

Result *evaluate(const Model *m, const Reader *r, const Questions *q, Depth depth, Arena *a, Error *e)
{
    Result *out = arena_array(a, q->count, sizeof *out);
    Arena scratch = arena_make(e);
    bool good = out != NULL;
    for (size_t first = 0, n; good && first < q->count; first += n) {
        n = q->count - first < CHUNK ? q->count - first : CHUNK;
        good = chunk_answer(m, r, q->question + first, n, depth, out + first, a, &scratch, e);
        arena_reset(&scratch);
    }
    arena_free(&scratch);
    return good && !e->failed ? out : NULL;
}
