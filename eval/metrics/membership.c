/* SPDX-License-Identifier: MIT */
#include "eval/metrics/membership.h"

#include <math.h>
#include <string.h>
#include "eval/metrics/memorisation.h"
#include "eval/metrics/membership_scores.h"
#include "eval/metrics/rows.h"
#include "tensor/ops.h"

enum { CHUNK = 32 };                 // the most samples of a forward pass
static const double min_k = 0.4;     // the share k of the tokens in Min-K, as in TOFU and MUSE

const char *const membership_names[MEMBERSHIP_KINDS] = { "mia_loss", "mia_reference", "mia_min_k", "mia_min_k_plus" };

static bool chunk_scores(const Model *m, Tape *t, const BatchSample *samples, size_t count, MembershipScores *out,
                         Arena *a)
{
    RowMap b;
    const size_t vocabulary = (size_t)m->config.text.vocab_size;
    Node *z = supervised_logits(m, t, samples, count, &b), *nll = z ? op_nll(t, z, b.labels) : NULL;
    double *scratch = nll ? arena_array(t->arena, vocabulary, sizeof *scratch) : NULL;
    if (!scratch || t->error->failed)
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
            logit_moments(z->out.f32 + (begin + k) * vocabulary, vocabulary, scratch, &out[i].mu[k], &out[i].variance[k]);
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

/* The score of a text for the metric membership_names[kind]. */
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
        return error_set(e, "%s:%zu: the question has no wrong option, expected one, which membership inference compares with the answer",
                         q->from->path, x->line);
    return reader_sample(r, q->from, x, answer, 0, NO_AUGMENT, out, a, e);
}

/* --- the rows of a list of members --- */

typedef struct {
    const Questions *members;
    // [2 * members]: of the members, then of their held-out twins; reference NULL: there is no reference model
    MembershipScores *score, *reference;
} Texts;

static bool row_add(Rows *rows, Row row, const Texts *t, int kind, int modality, Arena *a, Error *e)
{
    // member, member under the reference, held-out, held-out under the reference
    MembershipScores *x[4];
    size_t n = 0;
    const size_t count = t->members->count;
    Auc u;
    for (int k = 0; k < 4; k++)
        if (!(x[k] = arena_array(a, count, sizeof *x[k])))
            return false;
    for (size_t k = 0; k < count; k++) {
        if (modality < 2 && (t->members->question[k].sample->modality == MODALITY_IMAGE) != (modality == 0))
            continue;
        x[0][n] = t->score[k];
        x[2][n] = t->score[count + k];
        if (t->reference) {
            x[1][n] = t->reference[k];
            x[3][n] = t->reference[count + k];
        }
        n++;
    }
    if (n == 0)
        return true;
    if (!membership(kind, &u, x[0], x[1], n, x[2], x[3], n, a, e))
        return false;
    row.modality = row_modalities[modality];
    row.metric = membership_names[kind];
    row.value = auc_value(u);
    row.n = (int64_t)n;
    return rows_add(rows, row);
}

bool membership_rows(Rows *rows, Row row, const Model *m, const Reader *r, const Questions *members, const Model *oracle, Error *e)
{
    Arena a = arena_make(e);
    const size_t n = members->count;
    BatchSample *sample = arena_array(&a, 2 * n, sizeof *sample);
    Texts t = { members, arena_array(&a, 2 * n, sizeof *t.score), oracle ? arena_array(&a, 2 * n, sizeof *t.reference) : NULL };
    bool good = !e->failed;
    for (size_t k = 0; good && k < 2 * n; k++)
        good = membership_sample(r, &members->question[k % n], k >= n, &sample[k], &a, e);
    good = good && membership_scores(m, sample, 2 * n, t.score, &a, e)
        && (!oracle || membership_scores(oracle, sample, 2 * n, t.reference, &a, e));
    for (int kind = 0; kind < MEMBERSHIP_KINDS; kind++)
        for (int modality = 0; good && modality < 3; modality++)
            good = (kind == 1 && !oracle) || row_add(rows, row, &t, kind, modality, &a, e);
    arena_free(&a);
    return good && !e->failed;
}
