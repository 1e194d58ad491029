/* SPDX-License-Identifier: MIT */
#include "model/training/score.h"

#include "tensor/ops.h"

enum { BATCH_TOKENS = 2048 };

static bool take_scores(const Batch *b, Tape *t, Node *z, SampleScore *out, Arena *a)
{
    Node *nll = op_nll(t, z, b->labels), *best = op_argmax(t, z);
    Node *sum = op_segment_sum(t, nll, b->row_offsets, b->samples), *mean = op_segment_mean(t, nll, b->row_offsets, b->samples);
    if (t->error->failed)
        return false;
    for (size_t i = 0; i < b->samples; i++) {
        size_t begin = (size_t)b->row_offsets[i], n = (size_t)b->row_offsets[i + 1] - begin;
        SampleScore s = {
            sum->out.f32[i], mean->out.f32[i], n, 0, false, arena_array(a, n, sizeof(float)), arena_array(a, n, sizeof(int32_t))
        };
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
    if (!tensor_finite(z->out))
        return error_set(t->error, "the logits of an answer are not finite, expected a model whose numbers stay in fp32's range");
    return true;
}

static bool score_batch(const Model *m, Tape *t, const BatchSample *samples, size_t count, SampleScore *out, Arena *a)
{
    Batch b;
    tape_reset(t);
    if (!batch_pack(&b, samples, count, ROWS_SUPERVISED, &m->config, t->arena, t->error))
        return false;
    for (size_t i = 0; i < count; i++)
        if (b.row_offsets[i] == b.row_offsets[i + 1])
            return error_set(t->error, "answer: sample %zu has no supervised token, expected an answer", i);
    Params p = params_make(t, m);
    return take_scores(&b, t, model_forward(t, &p, &b).logits, out, a);
}

bool score_samples(const Model *m, const BatchSample *samples, size_t count, size_t tokens, SampleScore *out, Arena *a, Error *e)
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
