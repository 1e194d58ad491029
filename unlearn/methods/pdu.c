/* SPDX-License-Identifier: MIT */
/* Primal-dual unlearning (pdu): the logits of the forget set are made flat, under the constraint that the retain loss stays below a
 * limit.
 *
 *     L = gamma mean_r (max_v z - mean_v z)^2 (forget) + alpha_t (CE(retain) - retain_limit)      open-unlearning
 *     alpha <- max(0, alpha + dual_step (CE(retain) - retain_limit)) after each step, once dual_warmup epochs are over
 *
 * A step computes with the alpha that the steps before it have left, and the first one with `alpha`. The rows r should be those that
 * predict a token of an answer (forget_rows = shifted). The public code takes the rows of these tokens themselves (unshifted), and before
 * October 2025 it took all rows (all). */
#include "tensor/ops.h"
#include "unlearn/method.h"

enum { DUAL, DUAL_IS_SET };             // places of MethodStep.memory

/* Whether row r of a sample that begins at `first` is one of forget_rows. */
static bool chosen(int rows, const int32_t *labels, int32_t r, int32_t first)
{
    return rows == ROWS_OF_ALL || (rows == ROWS_UNSHIFTED ? r > first && labels[r - 1] >= 0 : labels[r] >= 0);
}

/* The logits of the rows that are chosen [n, V]; NULL: there are none. */
static Node *chosen_rows(MethodStep *s, const Part *p, size_t *n)
{
    int32_t *rows = arena_array(s->tape->arena, p->rows, sizeof *rows);
    *n = 0;
    for (size_t i = 0; rows && i < p->samples; i++)
        for (int32_t r = p->offsets[i]; r < p->offsets[i + 1]; r++)
            if (chosen(s->hyper->forget_rows, p->labels, r, p->offsets[i]))
                rows[(*n)++] = r;
    return rows && *n ? op_gather_rows(s->tape, p->z, rows, *n) : NULL;
}

/* The index of the largest logit of each row, the lowest one on ties. */
static int32_t *largest(const Node *z, size_t n, Arena *a)
{
    const size_t v = shape_cols(z->out.shape);
    int32_t *at = arena_zalloc(a, n * sizeof *at);
    for (size_t r = 0; at && r < n; r++)
        for (size_t k = 1; k < v; k++)
            if (z->out.f32[r * v + k] > z->out.f32[r * v + (size_t)at[r]])
                at[r] = (int32_t)k;
    return at;
}

/* d_r = RN(max_v z - RN(mean_v z)) [n] */
static Node *height(Tape *t, Node *z, const int32_t *at, size_t n)
{
    const size_t v = shape_cols(z->out.shape);
    int32_t *offsets = arena_array(t->arena, n + 1, sizeof *offsets), *places = arena_array(t->arena, n, sizeof *places);
    if (!offsets || !places)
        return NULL;
    for (size_t r = 0; r <= n; r++)
        offsets[r] = (int32_t)(r * v);
    for (size_t r = 0; r < n; r++)
        places[r] = offsets[r] + at[r];
    Node *all = op_reshape(t, z, shape_of(2, n * v, (size_t)1));
    Node *most = op_reshape(t, op_gather_rows(t, all, places, n), shape_of(1, n));
    return op_sub(t, most, op_segment_mean(t, op_reshape(t, z, shape_of(1, n * v)), offsets, n));
}

/* F = RN(RN(sum_r d_r^2) / n);  dz = c_r (RN(1/V) - e_max), c_r = RN(-2 weight d_r / n). */
static void plus_flatness(Loss *loss, const Part *p, float weight)
{
    MethodStep *s = loss->step;
    Tape *t = s->tape;
    size_t n;
    Node *z = t->error->failed ? NULL : chosen_rows(s, p, &n);
    const int32_t *at = z ? largest(z, n, t->arena) : NULL;
    Node *d = at ? height(t, z, at, n) : NULL;
    if (!d) {
        error_set(t->error, "pdu: no row of the forget samples is chosen, expected at least one");
        return;
    }
    Node *none = tape_input(t, "zero", tensor_zeros(t->arena, z->out.shape));
    tape_seed(t, z, op_logit_grad_label(t, op_softmax(t, none), op_ratio(t, d, -2 * weight, (float)n), at));
    plus_value(loss, op_ratio(t, op_square_sum(t, d), 1, (float)n), weight);
}

/* alpha (CE - retain_limit), and what the next step gets as its alpha. */
static void plus_constraint(Loss *loss, const Part *p)
{
    MethodStep *s = loss->step;
    const Hyperparameters *v = s->hyper;
    const float alpha = s->memory[DUAL_IS_SET] != 0 ? s->memory[DUAL] : v->alpha;
    seed_label_all(s, p, alpha / (float)p->tokens);
    Node *ce = batch_ce(s, p, p->z), *above = op_sub(s->tape, ce, tape_scalar(s->tape, "retain_limit", v->retain_limit));
    plus_value(loss, above, alpha);
    if (!above || s->epoch < v->dual_warmup)
        return;
    const float climb = v->dual_step * above->out.f32[0], next = alpha + climb;
    s->memory[DUAL] = next > 0 ? next : 0;
    s->memory[DUAL_IS_SET] = 1;
}

static Node *pdu_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    if (has(s, ROLE_FORGET))
        plus_flatness(&loss, &s->part[ROLE_FORGET], s->hyper->gamma);
    if (has(s, ROLE_RETAIN))
        plus_constraint(&loss, &s->part[ROLE_RETAIN]);
    return loss.sum;
}

const Method method_pdu = {
    .name = "pdu", .label = "PDU", .source = "open-unlearning (primal-dual unlearning), with the values of its run on TOFU",
    .formula = { .loss = "L = gamma F(forget) + alpha_t C, F = RN(RN(sum_r d_r^2) / n), d_r = RN(max_v z - RN(mean_v z)), "
                         "C = RN(CE(retain) - retain_limit)",
                 .gradient = "dL/dz = c_r (u - e_max), c_r = RN(-2 gamma d_r/n), u = RN(1/V), on the n rows of forget, "
                             "c (p - e_y), c = alpha_t/N, on retain",
                 .variants = "forget_rows = shifted: the rows that predict a token of an answer; unshifted: the rows of these tokens; all",
                 .notes = "After a step, once dual_warmup epochs are over, alpha_t <- max(0, RN(alpha_t + RN(dual_step C))); it begins "
                          "as alpha; e_max is one-hot at the largest logit of the row, the first of equal ones" },
    .defaults = "alpha=100", .needs = NEEDS_FORGET | NEEDS_RETAIN | FORGET_BY_ROWS, .loss = pdu_loss,
};
