/* SPDX-License-Identifier: MIT */
/* Losses that weigh or aim each token by itself: wga, satimp (a weight), undial, ce_u (a target distribution). */
#include <math.h>
#include "model/training/cross_entropy.h"
#include "tensor/ops.h"
#include "unlearn/method.h"

/* --- weighted ascent: -RN(sum_t RN(w_t nll_t) / N), c_t = RN(-gamma w_t / N); w is a constant for the gradient --- */

static Node *weighted_ascent(MethodStep *s, const Part *f, Node *nll, Node *w)
{
    Tape *t = s->tape;
    seed_label(s, f, op_ratio(t, w, -s->v->gamma, (float)f->tokens));
    return loss_add(s, NULL, op_mean_over(t, op_mul(t, w, nll), f->tokens), -s->v->gamma);
}

/* p_y^b = RN(e^RN(-b nll)) */
static Node *power(MethodStep *s, Node *nll, float b)
{
    return op_exp(s->tape, op_scale(s->tape, nll, -b));
}

static Node *wga_loss(MethodStep *s)
{
    const Part *f = &s->part[ROLE_FORGET];
    Node *loss = NULL;
    if (has(s, ROLE_FORGET)) {
        Node *nll = loss_nll(s, f);
        loss = weighted_ascent(s, f, nll, power(s, nll, s->v->beta));
    }
    return and_retain(s, loss);
}

/* (1 - p_y)^b = RN(e^RN(b RN(log RN(1 - RN(e^-nll))))); 1 where b = 0. */
static Node *satimp_loss(MethodStep *s)
{
    Tape *t = s->tape;
    const Part *f = &s->part[ROLE_FORGET];
    Node *loss = NULL;
    if (has(s, ROLE_FORGET)) {
        Node *nll = loss_nll(s, f), *w = power(s, nll, s->v->beta);
        if (s->v->beta2 > 0) {
            Node *known = power(s, nll, 1);
            Node *rest = op_sub(t, constant_rows(t, "one", f->rows, 1), known);
            w = op_mul(t, w, op_exp(t, op_scale(t, op_log(t, rest), s->v->beta2)));
        }
        loss = weighted_ascent(s, f, nll, w);
    }
    return and_retain(s, loss);
}

/* --- cross-entropy with a distribution: RN(sum_t RN(sum_v q_v (0 - l_v)) / N), c = RN(gamma/N) --- */

/* [R, V]: `value` at the label of each row, 0 elsewhere. */
static Node *at_labels(MethodStep *s, const Part *f, const char *name, float value)
{
    size_t v = f->z ? shape_cols(f->z->out.shape) : 0;
    Tensor x = v ? tensor_zeros(s->tape->arena, shape_of(2, f->rows, v)) : (Tensor){ .data = NULL };
    if (!x.data)
        return NULL;
    for (size_t r = 0; r < f->rows; r++)
        if (f->labels[r] >= 0 && value != 0)
            x.f32[r * v + (size_t)f->labels[r]] = value;
    return tape_input(s->tape, name, x);
}

static Node *aim(MethodStep *s, const Part *f, Node *q)
{
    Tape *t = s->tape;
    seed_target(s, f, q, s->v->gamma / (float)f->tokens);
    Node *l = op_log_softmax(t, f->z);
    Node *ce = op_kl(t, q, at_labels(s, f, "zero", 0), l);
    return loss_add(s, NULL, op_mean_over(t, ce, f->tokens), s->v->gamma);
}

static Node *undial_loss(MethodStep *s)
{
    Tape *t = s->tape;
    const Part *f = &s->part[ROLE_FORGET];
    Node *loss = NULL;
    if (has(s, ROLE_FORGET))
        loss = aim(s, f, op_softmax(t, op_axpy(t, f->z_ref, at_labels(s, f, "label", 1), -s->v->beta)));
    return and_retain(s, loss);
}

/* The rows of the part without the first of each sample; the part itself when that leaves nothing. */
static Part without_first(MethodStep *s, const Part *f)
{
    Tape *t = s->tape;
    Part rest = *f;
    size_t n = f->rows - f->samples;
    int32_t *rows = arena_array(t->arena, f->rows, sizeof *rows), *labels = arena_array(t->arena, f->rows, sizeof *labels);
    if (!rows || !labels || n == 0)
        return rest;
    rest.rows = rest.tokens = 0;
    for (size_t i = 0; i < f->samples; i++)
        for (int32_t r = f->offsets[i] + 1; r < f->offsets[i + 1]; r++) {
            rows[rest.rows] = r;
            labels[rest.rows++] = f->labels[r];
        }
    rest.tokens = rest.rows;
    rest.labels = labels;
    rest.offsets = NULL;
    rest.z = op_gather_rows(t, f->z, rows, rest.rows);
    return rest;
}

/* q = softmax of z with -inf at the label: the other tokens' probabilities, also where p_y rounds to 1. */
static Node *ce_u_loss(MethodStep *s)
{
    Tape *t = s->tape;
    Node *loss = NULL;
    if (has(s, ROLE_FORGET) && !t->error->failed) {
        Part f = s->v->skip_first ? without_first(s, &s->part[ROLE_FORGET]) : s->part[ROLE_FORGET];
        loss = aim(s, &f, op_softmax(t, op_add(t, f.z, at_labels(s, &f, "label", -INFINITY))));
    }
    return and_retain(s, loss);
}

const Method method_undial = {
    .name = "undial", .source = "Dong et al. 2024 (UNDIAL); open-unlearning, but for its labels of -100",
    .formula = "L = gamma CE_q(forget) + alpha CE(retain), CE_q = RN(sum_t RN(sum_v q_v (0 - log p_v)) / N), q = softmax(z_ref - beta e_y);  "
               "dL/dz = c (p - q), c = gamma/N, on forget, c (p - e_y), c = alpha/N, on retain",
    .defaults = "beta=10 alpha=0",
    .needs = NEEDS_FORGET | NEEDS_RETAIN | RETAIN_IF_ALPHA | REFERENCE_FORGET, .loss = undial_loss,
};

const Method method_ce_u = {
    .name = "ce_u", .source = "Yang 2025 (CE-U); open-unlearning (skip_first = yes: an answer's first token is left alone, where it has more than one)",
    .formula = "L = gamma CE_q(forget) + alpha CE(retain), CE_q = RN(sum_t RN(sum_v q_v (0 - log p_v)) / N), q = softmax(z with -inf at y), no gradient "
               "through q;  dL/dz = c (p - q), c = gamma/N, on forget, c (p - e_y), c = alpha/N, on retain",
    .defaults = "alpha=0",
    .needs = NEEDS_FORGET | NEEDS_RETAIN | RETAIN_IF_ALPHA, .loss = ce_u_loss,
};

const Method method_wga = {
    .name = "wga", .source = "Wang et al. 2025 (weighted gradient ascent); open-unlearning",
    .formula = "L = -gamma WCE(forget) + alpha CE(retain), WCE = RN(sum_t RN(w_t nll_t) / N), w_t = e^RN(-beta nll_t) = p_y^beta, no gradient through w;  "
               "dL/dz = c_t (p - e_y), c_t = -gamma w_t/N on forget, alpha/N on retain",
    .needs = NEEDS_FORGET | NEEDS_RETAIN | RETAIN_IF_ALPHA, .loss = wga_loss,
};

const Method method_satimp = {
    .name = "satimp", .source = "Yang et al. 2025 (saturation and importance); open-unlearning's yaml (its class has gamma and alpha swapped)",
    .formula = "L = -gamma WCE(forget) + alpha CE(retain), WCE = RN(sum_t RN(w_t nll_t) / N), w_t = a_t b_t, a_t = e^RN(-beta nll_t), "
               "b_t = e^RN(beta2 log(1 - e^-nll_t)) (1 where beta2 = 0), no gradient through w;  dL/dz = c_t (p - e_y), c_t = -gamma w_t/N on forget, alpha/N on retain",
    .defaults = "beta=5 beta2=1 gamma=0.1",
    .needs = NEEDS_FORGET | NEEDS_RETAIN | RETAIN_IF_ALPHA, .loss = satimp_loss,
};
