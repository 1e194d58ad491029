/* SPDX-License-Identifier: MIT */
/* PULSE's three methods (arXiv 2507.01271): gradient ascent, gradient ascent with a KL term on retained data, NPO. */
#include "tensor/ops.h"
#include "unlearn/method.h"

/* --- ga:  L = -CE_B(forget);  dL/dz = -(p - e_y)/N --- */

static Node *ga_loss(MethodStep *s)
{
    const Part *f = &s->part[ROLE_FORGET];
    seed_label_all(s, f, -1.0f / (float)f->tokens);
    return op_scale(s->tape, loss_ce(s, f), -1);
}

const Method method_ga = {
    .name = "ga", .source = "gradient ascent: Jang et al. 2023; PULSE; MLLMU-Bench GA.py",
    .formula = "L = -CE_B(forget);  dL/dz = -(p - e_y)/N",
    .needs = NEEDS_FORGET, .loss = ga_loss,
};

/* --- ga_klr:  L = -CE_B(forget) + lambda mean_retain KL(p_ref || p);  dL/dz = -(p - e_y)/N on forget,
 *     lambda (p - p_ref)/M on retain, M as kl_norm says --- */

/* M: supervised positions, all positions, or samples (MLLMU-Bench's batchmean of a 3-D tensor). */
float kl_count(const MethodStep *s, const Part *r)
{
    return (float)(s->v->kl_norm == KL_BATCH ? r->samples : s->v->kl_norm == KL_ALL_POSITIONS ? r->rows : r->tokens);
}

/* RN(sum over rows of RN(sum_v pr (lr - l)) / M), seeding weight/M (p - p_ref). */
Node *kl_to_reference(MethodStep *s, const Part *r, float weight)
{
    Tape *t = s->tape;
    Node *pr = op_softmax(t, r->z_ref);
    Node *kl = op_kl(t, pr, op_log_softmax(t, r->z_ref), op_log_softmax(t, r->z));
    seed_target(s, r, pr, constant_rows(t, "c", r->rows, weight / kl_count(s, r)));
    return op_mean_over(t, kl, (size_t)kl_count(s, r));
}

/* MUSE's code passes raw logits to kl_div (log_target): sum e^{z_ref} (z_ref - z) / B, whose gradient is the constant -e^{z_ref}/B. */
Node *muse_raw_to_reference(MethodStep *s, const Part *r, float weight)
{
    Tape *t = s->tape;
    Node *e = op_exp(t, r->z_ref);
    Node *value = op_kl(t, e, r->z_ref, r->z);
    tape_seed(t, r->z, op_ratio(t, e, -weight, (float)r->samples));
    return op_mean_over(t, value, r->samples);
}

static Node *ga_klr_loss(MethodStep *s)
{
    const Part *r = &s->part[ROLE_RETAIN];
    Node *kl = s->v->klr == KLR_MUSE_RAW ? muse_raw_to_reference(s, r, s->v->lambda) : kl_to_reference(s, r, s->v->lambda);
    return op_axpy(s->tape, ga_loss(s), kl, s->v->lambda);
}

const Method method_ga_klr = {
    .name = "ga_klr", .source = "MUSE (Shi et al. 2024): GA with KL on the retain set; PULSE",
    .formula = "L = -CE_B(forget) + lambda mean KL(p_ref || p)(retain);  dL/dz = -(p - e_y)/N, lambda (p - p_ref)/M",
    .needs = NEEDS_FORGET | NEEDS_RETAIN | NEEDS_REFERENCE, .loss = ga_klr_loss,
};

/* --- npo:  L = -(2/beta) mean_i log sigmoid(beta d_i),  d_i = NLL_i - NLL_ref_i;
 *     dL/dz = c_i (p - e_y),  c_i = -2 sigmoid(-beta d_i)/B --- */

/* The chain of GRAPH.md: d, u, s, m, L and w, c, for d given per sample. */
Node *npo_of(MethodStep *s, const Part *f, Node *d)
{
    Tape *t = s->tape;
    Node *u = op_scale(t, d, s->v->beta);
    Node *w = op_sigmoid(t, op_scale(t, u, -1));
    seed_label(s, f, rows_of_samples(s, f, op_ratio(t, w, -2, (float)f->samples)));
    return op_scale(t, op_mean(t, op_log_sigmoid(t, u)), -2 / s->v->beta);
}

static Node *npo_loss(MethodStep *s)
{
    Tape *t = s->tape;
    const Part *f = &s->part[ROLE_FORGET];
    Node *nll = loss_nll_sum(s, f, loss_nll(s, f));
    Node *nll_ref = loss_nll_sum(s, f, op_nll(t, f->z_ref, f->labels));
    return npo_of(s, f, op_sub(t, nll, nll_ref));
}

const Method method_npo = {
    .name = "npo", .source = "Zhang et al. 2024, eq. 3; sequence sums",
    .formula = "L = -(2/beta) mean_i log sigmoid(beta d_i), d_i = NLL_i - NLL_ref_i;  dL/dz = c_i (p - e_y), c_i = -2 sigmoid(-beta d_i)/B",
    .needs = NEEDS_FORGET | NEEDS_REFERENCE, .loss = npo_loss,
};
