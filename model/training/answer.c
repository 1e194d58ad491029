/* SPDX-License-Identifier: MIT */
#include "model/training/answer.h"

#include "tensor/ops.h"

enum { BATCH_TOKENS = 2048 };

static bool take_scores(const Batch *b, Tape *t, Node *z, AnswerScore *out, Arena *a)
{
    Node *nll = op_nll(t, z, b->labels), *best = op_argmax(t, z);
    Node *sum = op_segment_sum(t, nll, b->row_offsets, b->samples), *mean = op_segment_mean(t, nll, b->row_offsets, b->samples);
    if (t->error->failed)
        return false;
    for (size_t i = 0; i < b->samples; i++) {
        size_t begin = (size_t)b->row_offsets[i], n = (size_t)b->row_offsets[i + 1] - begin;
        AnswerScore s = { sum->out.f32[i], mean->out.f32[i], n, 0, false, arena_array(a, n, sizeof(float)), arena_array(a, n, sizeof(int32_t)) };
        if (!s.token_nll || !s.argmax)
            return false;
        for (size_t k = 0; k < n; k++) {
            s.token_nll[k] = nll->out.f32[begin + k];
            s.argmax[k] = (int32_t)best->out.f32[begin + k];
            s.right += s.argmax[k] == b->labels[begin + k];
        }
        if (s.nll != s.nll)
            return error_set(t->error, "the nll of an answer is not a number, expected a model whose numbers stay in fp32's range");
        s.exact = s.right == n;
        out[i] = s;
    }
    return true;
}

static bool score_batch(const Model *m, Tape *t, const BatchSample *samples, size_t count, AnswerScore *out, Arena *a)
{
    Batch b;
    tape_reset(t);
    if (!batch_pack(&b, samples, count, ROWS_SUPERVISED, &m->config, t->arena, t->error))
        return false;
    for (size_t i = 0; i < count; i++)
        if (b.row_offsets[i] == b.row_offsets[i + 1])
            return error_set(t->error, "answer: sample %zu has no supervised token, expected an answer", i);
    Params p = params_make(t, m);
    return take_scores(&b, t, llava_forward(t, &p, &b).logits, out, a);
}

bool answer_scores(const Model *m, const BatchSample *samples, size_t count, size_t tokens, AnswerScore *out, Arena *a, Error *e)
{
    Arena scratch = arena_make(e);
    Tape t = tape_make(&scratch, e);
    t.no_grad = true;
    size_t limit = tokens ? tokens : BATCH_TOKENS;
    bool right = !e->failed;
    for (size_t first = 0, n = 0; right && first < count; first += n) {
        size_t rows = 0;
        for (n = 0; first + n < count && (n == 0 || rows + samples[first + n].n <= limit); n++)
            rows += samples[first + n].n;
        right = score_batch(m, &t, samples + first, n, out + first, a);
    }
    arena_free(&scratch);
    return right;
}

/* The token that the last row of `sample` predicts; the cache then holds the sample too. */
static bool next_token(const Model *m, Tape *t, const BatchSample *sample, Cache *cache, int32_t *token)
{
    Batch b;
    tape_reset(t);
    Params p = params_make(t, m);
    if (!batch_pack(&b, sample, 1, ROWS_SUPERVISED, &m->config, t->arena, t->error))
        return false;
    b.rows[0] = (int32_t)b.tokens - 1;             // the one supervised row of the sample is its last
    Node *logits = llava_forward_cached(t, &p, &b, cache).logits, *best = op_argmax(t, logits);
    if (!best)
        return false;
    *token = (int32_t)best->out.f32[0];
    const float most = logits->out.f32[*token];
    return most == most || error_set(t->error, "the logits of the next token are not numbers, expected a model whose numbers stay in fp32's range");
}

bool answer_greedy(const Model *m, const BatchSample *prompt, int32_t end, int32_t *out, size_t room, size_t *count, Error *e)
{
    Arena scratch = arena_make(e), kept = arena_make(e);
    Tape t = tape_make(&scratch, e);
    t.no_grad = true;
    Cache cache;
    int32_t *targets = arena_array(&kept, prompt->n + 1, sizeof *targets);
    bool right = targets && cache_make(&cache, m, prompt->n + room, &kept);
    BatchSample sample = { .ids = prompt->ids, .targets = targets, .n = prompt->n, .pixels = prompt->pixels };
    for (size_t i = 0; right && i < prompt->n; i++)
        targets[i] = i + 1 < prompt->n ? -1 : 0;
    for (*count = 0; right && *count < room;) {
        right = next_token(m, &t, &sample, &cache, &out[*count]);
        if (right && out[(*count)++] == end)
            break;
        targets[0] = 0;
        sample = (BatchSample){ .ids = &out[*count ? *count - 1 : 0], .targets = targets, .n = 1 };
    }
    arena_free(&scratch);
    arena_free(&kept);
    return right && !e->failed;
}
