/* SPDX-License-Identifier: MIT */
#include "eval/metrics/membership.h"

#include <math.h>
#include <string.h>
#include "eval/metrics/memorisation.h"
#include "eval/metrics/membership_scores.h"
#include "eval/metrics/rows.h"
#include "tensor/ops.h"

enum { CHUNK = 32 };
static const double min_k = 0.4;

const char *const membership_names[MEMBERSHIP_KINDS] = { "mia_loss", "mia_reference", "mia_min_k", "mia_min_k_plus" };

static bool chunk_scores(const Model *m, Tape *t, const BatchSample *samples, size_t count, MembershipScores *out,
                         Arena *a)
{
    RowMap b;
    const size_t vocabulary = (size_t)m->config.text.vocab_size;
    Node *z = supervised_logits(m, t, samples, count, &b), *nll = z ? op_nll(t, z, b.labels) : NULL;
    double *room = nll ? arena_array(t->arena, vocabulary, sizeof *room) : NULL;
    if (!room || t->error->failed)
        return false;
    for (size_t i = 0; i < count; i++) {
        const size_t begin = (size_t)b.row_offsets[i], rows = (size_t)b.row_offsets[i + 1] - begin,
            n = tokens_without_end(rows);
        out[i] = (MembershipScores){ arena_array(a, n, sizeof(float)), arena_array(a, n, sizeof(double)),
                                     arena_array(a, n, sizeof(double)), n };
        if (!out[i].nll || !out[i].mu || !out[i].variance)
            return false;
        memcpy(out[i].nll, nll->out.f32 + begin, n * sizeof(float));
        for (size_t k = 0; k < n; k++)
            logit_moments(z->out.f32 + (begin + k) * vocabulary, vocabulary, room, &out[i].mu[k], &out[i].variance[k]);
    }
    return true;
}

bool membership_scores(const Model *m, const BatchSample *samples, size_t count, MembershipScores *out, Arena *a,
                       Error *e)
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

static double score_of(int kind, const MembershipScores *x, const MembershipScores *reference, Arena *a)
{
    switch (kind) {
    case 0:  return mia_loss(x->nll, x->tokens);
    case 1:  return mia_reference(x->nll, reference->nll, x->tokens);
    case 2:  return mia_min_k(x->nll, x->tokens, min_k, a);
    default: return mia_min_k_plus(x->nll, x->mu, x->variance, x->tokens, min_k, a);
    }
}

bool membership(int kind, Auc *out, const MembershipScores *member, const MembershipScores *member_reference, size_t n,
                const MembershipScores *holdout, const MembershipScores *holdout_reference, size_t m, Arena *a, Error *e)
{
    double *x = arena_array(a, n, sizeof *x), *y = arena_array(a, m, sizeof *y);
    for (size_t k = 0; x && k < n; k++)
        x[k] = score_of(kind, &member[k], member_reference ? &member_reference[k] : NULL, a);
    for (size_t k = 0; y && k < m; k++)
        y[k] = score_of(kind, &holdout[k], holdout_reference ? &holdout_reference[k] : NULL, a);
    return x && y && auc_of(out, x, n, y, m, a, e);
}

bool membership_sample(const Reader *r, const Question *q, bool held_out, BatchSample *out, Arena *a, Error *e)
{
    const Sample *x = q->sample;
    const char *answer = NULL;
    for (size_t k = 0; held_out && k < x->option_count; k++)
        if (strcmp(x->options[k], x->answer) != 0)
            answer = x->options[k];
    if (held_out && !answer)
        return error_set(e, "%s:%zu: a question without a wrong option, expected one for its held-out twin", q->from->path,
                         x->line);
    return reader_sample(r, q->from, x, answer, 0, NO_AUGMENT, out, a, e);
}
