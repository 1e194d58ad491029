/* SPDX-License-Identifier: MIT */
#include "eval/metrics/membership.h"

#include <math.h>
#include <string.h>
#include "eval/metrics/likelihood.h"
#include "eval/metrics/attacks.h"
#include "tensor/ops.h"

enum { CHUNK = 32 };
static const double min_k_share = 0.4;

const char *const mia_names[MIA_KINDS] = { "mia_loss", "mia_reference", "mia_min_k", "mia_min_k_plus" };

/* The supervised rows of some samples under a model. */
static Node *rows_of(const Model *m, Tape *t, const BatchSample *samples, size_t count, Batch *b)
{
    Params p = params_make(t, m);
    return batch_pack(b, samples, count, ROWS_SUPERVISED, &m->config, t->arena, t->error) ? llava_forward(t, &p, b).logits : NULL;
}

static bool chunk_scores(const Model *m, Tape *t, const BatchSample *samples, size_t count, TextScore *out, Arena *a)
{
    Batch b;
    const size_t vocabulary = (size_t)m->config.text.vocab_size;
    Node *z = rows_of(m, t, samples, count, &b), *nll = z ? op_nll(t, z, b.labels) : NULL;
    if (!nll || t->error->failed)
        return false;
    for (size_t i = 0; i < count; i++) {
        const size_t begin = (size_t)b.row_offsets[i], rows = (size_t)b.row_offsets[i + 1] - begin, n = tokens_without_end(rows);
        out[i] = (TextScore){ arena_array(a, n, sizeof(float)), arena_array(a, n, sizeof(double)), arena_array(a, n, sizeof(double)), n };
        if (!out[i].nll || !out[i].mu || !out[i].variance)
            return false;
        memcpy(out[i].nll, nll->out.f32 + begin, n * sizeof(float));
        for (size_t k = 0; k < n; k++)
            logit_moments(z->out.f32 + (begin + k) * vocabulary, vocabulary, &out[i].mu[k], &out[i].variance[k]);
    }
    return true;
}

bool text_scores(const Model *m, const BatchSample *samples, size_t count, TextScore *out, Arena *a, Error *e)
{
    Arena scratch = arena_make(e);
    Tape t = tape_make(&scratch, e);
    bool good = !e->failed;
    t.no_grad = true;
    for (size_t first = 0, n; good && first < count; first += n) {
        n = count - first < CHUNK ? count - first : CHUNK;
        tape_reset(&t);
        good = chunk_scores(m, &t, samples + first, n, out + first, a);
    }
    arena_free(&scratch);
    return good && !e->failed;
}

static double score_of(int kind, const TextScore *x, const TextScore *reference, Arena *a)
{
    switch (kind) {
    case 0:  return mia_loss(x->nll, x->tokens);
    case 1:  return mia_reference(x->nll, reference->nll, x->tokens);
    case 2:  return mia_min_k(x->nll, x->tokens, min_k_share, a);
    default: return mia_min_k_plus(x->nll, x->mu, x->variance, x->tokens, min_k_share, a);
    }
}

bool membership(int kind, Auc *out, const TextScore *member, const TextScore *member_reference, size_t n, const TextScore *holdout,
                const TextScore *holdout_reference, size_t m, Arena *a, Error *e)
{
    double *x = arena_array(a, n, sizeof *x), *y = arena_array(a, m, sizeof *y);
    for (size_t k = 0; x && k < n; k++)
        x[k] = score_of(kind, &member[k], member_reference ? &member_reference[k] : NULL, a);
    for (size_t k = 0; y && k < m; k++)
        y[k] = score_of(kind, &holdout[k], holdout_reference ? &holdout_reference[k] : NULL, a);
    return x && y && auc_of(out, x, n, y, m, a, e);
}

bool logits_distance(const Model *x, const Model *y, const BatchSample *samples, size_t count, LogitsDistance *out, Error *e)
{
    Arena scratch = arena_make(e);
    Tape t = tape_make(&scratch, e);
    const size_t vocabulary = (size_t)x->config.text.vocab_size;
    size_t rows = 0;
    bool good = !e->failed && (x->config.text.vocab_size == y->config.text.vocab_size
                               || error_set(e, "distance: vocabularies of %lld and %lld, expected the same", (long long)x->config.text.vocab_size,
                                            (long long)y->config.text.vocab_size));
    *out = (LogitsDistance){ 0, 0 };
    t.no_grad = true;
    for (size_t first = 0, n; good && first < count; first += n) {
        Batch b, c;
        n = count - first < CHUNK ? count - first : CHUNK;
        tape_reset(&t);
        const Node *z = rows_of(x, &t, samples + first, n, &b), *w = z ? rows_of(y, &t, samples + first, n, &c) : NULL;
        good = w && !e->failed;
        for (size_t k = 0, all = good ? (size_t)b.row_offsets[n] : 0; k < all; k++, rows++) {
            const float *p = z->out.f32 + k * vocabulary, *q = w->out.f32 + k * vocabulary;
            const double d = rms_difference(p, q, vocabulary);
            out->rms += d * d;
            out->divergence += jensen_shannon(p, q, vocabulary, &scratch);
        }
    }
    out->rms = rows ? sqrt(out->rms / (double)rows) : NAN;
    out->divergence = rows ? out->divergence / (double)rows : NAN;
    arena_free(&scratch);
    return good && !e->failed;
}

bool probe_sample(const Reader *r, const Question *q, bool held, BatchSample *out, Arena *a, Error *e)
{
    const Sample *x = q->sample;
    const char *answer = NULL;
    for (size_t k = 0; held && k < x->option_count; k++)
        if (strcmp(x->options[k], x->answer) != 0)
            answer = x->options[k];
    if (held && !answer)
        return error_set(e, "%s:%zu: a question without a wrong option, expected one for its held-out twin", q->from->path, x->line);
    return reader_sample(r, q->from, x, answer, 0, NO_AUGMENT, out, a, e);
}
