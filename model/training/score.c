/* SPDX-License-Identifier: MIT */
#include "model/training/score.h"

#include "tensor/ops.h"

enum { BATCH_TOKENS = 2048 };

static bool take_scores(const RowMap *b, Tape *t, Node *z, SampleScore *out, Arena *a)
{
    Node *nll = op_nll(t, z, b->labels), *best = op_argmax(t, z);
    Node *sum = op_segment_sum(t, nll, b->row_offsets, b->samples),
        *mean = op_segment_mean(t, nll, b->row_offsets, b->samples);
    if (t->error->failed)
        return false;
    for (size_t i = 0; i < b->samples; i++) {
        size_t begin = (size_t)b->row_offsets[i], n = (size_t)b->row_offsets[i + 1] - begin;
        SampleScore s = {
            sum->out.f32[i], mean->out.f32[i], n, 0, false, arena_array(a, n, sizeof(float)),
            arena_array(a, n, sizeof(int32_t))
        };
        if (!s.token_nll || !s.argmax)
            return false;
        for (size_t k = 0; k < n; k++) {
            s.token_nll[k] = nll->out.f32[begin + k];
            s.argmax[k] = (int32_t)best->out.f32[begin + k];
            s.right += s.argmax[k] == b->labels[begin + k];
        }
        if (s.nll != s.nll)
            return error_set(t->error, "the logits of a token of the answer are NaN, expected a model whose numbers stay in fp32's range");
        s.exact = s.right == n;
        out[i] = s;
    }
    if (!tensor_finite(z->out))
        return error_set(t->error, "the logits of a token of the answer are infinite, expected a model whose numbers stay in fp32's range");
    return true;
}

/* Scores the first *count samples of the list, or as many as one forward pass takes, and sets *count to their number.
 * `first` is the number of samples before this list. */
static bool score_batch(Prefixes *x, Tape *t, const BatchSample *samples, size_t first, size_t *count, size_t limit,
                        SampleScore *out, Arena *a)
{
    RowMap b;
    tape_reset(t);
    Node *z = prefixes_logits(x, t, samples, count, limit, ROWS_SUPERVISED, &b);
    for (size_t i = 0; i < b.samples; i++)
        if (b.row_offsets[i] == b.row_offsets[i + 1])
            return error_set(t->error, "sample %zu has no supervised token, expected at least one", first + i);
    return z && take_scores(&b, t, z, out, a);
}

static bool score_all(Prefixes *x, const BatchSample *samples, size_t count, size_t limit, SampleScore *out, Arena *a,
                      Error *e)
{
    Arena scratch = arena_make(e);
    Tape t = tape_make(&scratch, e);
    t.no_grad = true;
    bool good = !e->failed;
    for (size_t first = 0, n; good && first < count; first += n) {
        n = count - first;
        good = score_batch(x, &t, samples + first, first, &n, limit, out + first, a);
    }
    arena_free(&scratch);
    return good && !e->failed;
}

bool score_with(Prefixes *x, const BatchSample *samples, size_t count, SampleScore *out, Arena *a, Error *e)
{
    return score_all(x, samples, count, BATCH_TOKENS, out, a, e);
}

bool score_samples(const Model *m, const BatchSample *samples, size_t count, size_t tokens, SampleScore *out,
                   Arena *a, Error *e)
{
    Prefixes *x = prefixes_make(m, 0, e);
    bool good = x && score_all(x, samples, count, tokens ? tokens : BATCH_TOKENS, out, a, e);
    prefixes_free(x);
    return good;
}
