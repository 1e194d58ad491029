/* SPDX-License-Identifier: MIT */
/* Negative preference optimisation and its relatives: a loss of log-odds, -(scale/beta) mean log sigmoid(beta d). */
#include "tensor/ops.h"
#include "unlearn/method.h"

/* u = RN(beta d), w = RN(sigmoid(-u)), s = RN(log sigmoid(u)), m = RN(sum s / n), k = RN(-scale/beta); RN(k m) */
Node *log_odds_loss(MethodStep *s, Node *d, float scale, Node **w)
{
    Tape *t = s->tape;
    Node *u = op_scale(t, d, s->v->beta);
    *w = op_sigmoid(t, op_scale(t, u, -1));
    return op_scale(t, op_mean(t, op_log_sigmoid(t, u)), -scale / s->v->beta);
}

static Node *sequence_sum(MethodStep *s, const Part *f, float gamma)
{
    Tape *t = s->tape;
    Node *before = loss_nll_sum(s, f, f->z_ref);
    Node *w, *loss = log_odds_loss(s, op_sub(t, loss_nll_sum(s, f, f->z), before), 2, &w);
    seed_label(s, f, rows_of_samples(s, f, op_ratio(t, w, -2 * gamma, (float)f->samples)));
    return loss;
}

/* MLLMU-Bench: one d of the batch's token means, d = RN(CE - CE_ref); c = RN(-2 gamma w / N). */
static Node *batch_mean(MethodStep *s, const Part *f, float gamma)
{
    Tape *t = s->tape;
    Node *before = loss_ce(s, f, f->z_ref);
    Node *w, *loss = log_odds_loss(s, op_sub(t, loss_ce(s, f, f->z), before), 2, &w);
    seed_label(s, f, rows_of_all(s, f, op_ratio(t, w, -2 * gamma, (float)f->tokens)));
    return loss;
}

/* MUSE: d of every logit, d = RN(z_ref - z), labels unused; dL/dz = RN(2 gamma w / RN(R V)). */
static Node *raw_logits(MethodStep *s, const Part *f, float gamma)
{
    Tape *t = s->tape;
    Node *w, *loss = log_odds_loss(s, op_sub(t, f->z_ref, f->z), 2, &w);
    if (w)
        tape_seed(t, f->z, op_ratio(t, w, 2 * gamma, (float)shape_size(w->out.shape)));
    return loss;
}

static Node *add_npo(MethodStep *s, float gamma)
{
    static Node *(*const forms[])(MethodStep *, const Part *, float) = { sequence_sum, batch_mean, raw_logits };
    if (!has(s, ROLE_FORGET))
        return NULL;
    return loss_add(s, NULL, forms[s->v->npo_ratio](s, &s->part[ROLE_FORGET], gamma), gamma);
}

static Node *npo_loss(MethodStep *s)
{
    return add_npo(s, 1);
}

static Node *npo_gd_loss(MethodStep *s)
{
    return add_ce(s, add_npo(s, s->v->gamma), ROLE_RETAIN, s->v->alpha);
}

static Node *npo_kl_loss(MethodStep *s)
{
    return add_kl(s, add_npo(s, s->v->gamma), s->v->lambda);
}

#define NPO_CHAIN "NPO = k m, m = mean_i log sigmoid(u_i), k = RN(-2/beta), u_i = beta d_i, d_i = NLL_i - NLL_ref_i"
#define NPO_FORMS ". npo_ratio = batch_mean: one d = CE - CE_ref, c = -2 gamma w/N for all rows; raw_logits: d_rv = z_ref - z, mean over all R V, dL/dz = 2 gamma w/RN(R V)"

const Method method_npo = {
    .name = "npo", .source = "Zhang et al. 2024, eq. 3 (sequence sums); PULSE; MLLMU-Bench NPO.py (batch_mean), MUSE (raw_logits)",
    .formula = "L = " NPO_CHAIN ";  dL/dz = c_i (p - e_y), c_i = -2 w_i/B, w_i = sigmoid(-u_i)" NPO_FORMS " (gamma = 1)",
    .needs = NEEDS_FORGET | REFERENCE_FORGET, .loss = npo_loss,
};

const Method method_npo_gd = {
    .name = "npo_gd", .source = "Zhang et al. 2024 (NPO + retain loss); what open-unlearning calls NPO",
    .formula = "L = gamma NPO(forget) + alpha CE(retain), " NPO_CHAIN ";  dL/dz = c_i (p - e_y), c_i = -2 gamma w_i/B, w_i = sigmoid(-u_i), on forget, "
               "c = alpha/N on retain" NPO_FORMS,
    .needs = NEEDS_FORGET | NEEDS_RETAIN | REFERENCE_FORGET, .loss = npo_gd_loss,
};

const Method method_npo_kl = {
    .name = "npo_kl", .source = "Zhang et al. 2024 (NPO + KL on the retain set); open-unlearning",
    .formula = "L = gamma NPO(forget) + lambda KL(retain), " NPO_CHAIN ", KL as in ga_klr;  dL/dz = c_i (p - e_y), c_i = -2 gamma w_i/B, "
               "w_i = sigmoid(-u_i), on forget, c (p - p_ref), c = lambda/M, on retain" NPO_FORMS,
    .needs = NEEDS_FORGET | NEEDS_RETAIN | REFERENCE_FORGET | REFERENCE_RETAIN, .loss = npo_kl_loss,
};
