/* SPDX-License-Identifier: MIT */
/* A KL divergence from the reference with two masks (siu): they leave out the name of a concept and the name that
 * replaces it. terms.h defines the masks K_S and K_V. */
#include <math.h>
#include "tensor/ops.h"
#include "unlearn/terms/terms.h"

/* The two masks as inputs of operators. */
typedef struct {
    int32_t *tokens;                // [R] K_S
    int32_t *vocabulary;            // [R V] K_V of each row
    Node *without;                  // [R, V] -infinity where K_V is 0, else 0
} Masks;

/* Whether the answer of a sample has this token id. */
static bool holds(const Part *p, size_t sample, int32_t id)
{
    for (int32_t r = p->offsets[sample]; r < p->offsets[sample + 1]; r++)
        if (p->labels[r] == id)
            return true;
    return false;
}

static bool masks_make(MethodStep *s, const Part *concept, const Part *p, Masks *m)
{
    Arena *a = s->tape->arena;
    const size_t v = p->z ? shape_cols(p->z->out.shape) : 0;
    Tensor without = v ? tensor_zeros(a, shape_of(2, p->rows, v)) : (Tensor){ .data = NULL };
    m->tokens = arena_array(a, p->rows, sizeof *m->tokens);
    m->vocabulary = arena_array(a, p->rows * v, sizeof *m->vocabulary);
    if (!without.f32 || !m->tokens || !m->vocabulary)
        return false;
    for (size_t k = 0; k < p->rows * v; k++)
        m->vocabulary[k] = 1;
    for (size_t i = 0; i < p->samples; i++)
        for (int32_t r = p->offsets[i]; r < p->offsets[i + 1]; r++) {
            m->tokens[r] = holds(concept, i, p->labels[r]);
            for (int32_t k = concept->offsets[i]; k < concept->offsets[i + 1]; k++)
                if (!holds(p, i, concept->labels[k])) {
                    const size_t at = (size_t)r * v + (size_t)concept->labels[k];
                    m->vocabulary[at] = 0;
                    without.f32[at] = -INFINITY;
                }
        }
    m->without = tape_input(s->tape, "siu.vocabulary", without);
    return m->without != NULL;
}

/* RN(sum of each row of x), [R]. */
static Node *row_sums(Tape *t, Node *x, size_t rows, size_t v)
{
    int32_t *offsets = t->error->failed ? NULL : arena_array(t->arena, rows + 1, sizeof *offsets);
    for (size_t r = 0; offsets && r <= rows; r++)
        offsets[r] = (int32_t)(r * v);
    return offsets ? op_segment_sum(t, op_reshape(t, x, shape_of(1, rows * v)), offsets, rows) : NULL;
}

void plus_masked_kl(Loss *loss, Role concept, Role role, float weight)
{
    MethodStep *s = loss->step;
    Tape *t = s->tape;
    const Part *p = &s->part[role];
    const float M = (float)(s->hyper->kl_norm == KL_BATCH ? p->samples : p->tokens);
    Masks k;
    if (!has(s, role) || t->error->failed || !masks_make(s, &s->part[concept], p, &k))
        return;
    const size_t v = shape_cols(p->z->out.shape);
    Node *w = op_mask(t, op_softmax(t, p->z_ref), k.vocabulary, p->rows * v);
    Node *c = op_mask(t, op_ratio(t, row_sums(t, w, p->rows, v), weight, M), k.tokens, p->rows);
    Node *q = op_softmax(t, op_add(t, p->z_ref, k.without));
    tape_seed(t, p->z, op_logit_grad(t, op_softmax(t, p->z), q, c));
    Node *log_ref = op_log_softmax(t, p->z_ref);
    Node *rows = op_mask(t, op_kl(t, w, log_ref, op_log_softmax(t, p->z)), k.tokens, p->rows);
    plus_value(loss, op_mean_over(t, rows, (size_t)M), weight);
}
