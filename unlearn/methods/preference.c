/* SPDX-License-Identifier: MIT */
/* Preference losses: dpo and altpo (an answer that wins over the true one), simnpo (without a reference, length-normalised). */
#include "model/training/cross_entropy.h"
#include "tensor/ops.h"
#include "unlearn/method.h"

/* m_i = RN(d_lose - d_win), the lead of the winner: log p/p_ref is -d. Ascent on the forget answer, descent on the winner. */
static Node *preference(MethodStep *s, Role winner)
{
    Tape *t = s->tape;
    const Part *lose = &s->part[ROLE_FORGET], *win = &s->part[winner];
    float scale = s->v->dpo_scale, weight = scale * s->v->gamma, n = (float)lose->samples;
    if (!has(s, ROLE_FORGET))
        return NULL;
    Node *lose_ref = loss_nll_sum(s, lose, lose->z_ref);
    Node *d_lose = op_sub(t, loss_nll_sum(s, lose, lose->z), lose_ref);
    Node *win_ref = loss_nll_sum(s, win, win->z_ref);
    Node *d_win = op_sub(t, loss_nll_sum(s, win, win->z), win_ref);
    Node *w, *loss = log_odds_loss(s, op_sub(t, d_lose, d_win), scale, &w);
    seed_label(s, lose, rows_of_samples(s, lose, op_ratio(t, w, -weight, n)));
    seed_label(s, win, rows_of_samples(s, win, op_ratio(t, w, weight, n)));
    return loss_add(s, NULL, loss, s->v->gamma);
}

static Node *dpo_loss(MethodStep *s)
{
    return and_retain(s, preference(s, ROLE_REFUSAL));
}

static Node *altpo_loss(MethodStep *s)
{
    return and_retain(s, preference(s, ROLE_ALTERNATE));
}

/* c_i = RN(-2 gamma w_i / (B T_i)): the divisor is each sample's own, so each is divided by itself. */
static Node *length_normalised(MethodStep *s, const Part *f, Node *w)
{
    Tape *t = s->tape;
    Node **each = t->error->failed ? NULL : arena_array(t->arena, f->samples, sizeof *each);
    Node *column = op_reshape(t, w, shape_of(2, f->samples, (size_t)1));
    if (!each || !column)
        return NULL;
    for (size_t i = 0; i < f->samples; i++)
        each[i] = op_ratio(t, op_slice_rows(t, column, i, 1), -2 * s->v->gamma, (float)(f->samples * (size_t)(f->offsets[i + 1] - f->offsets[i])));
    return op_reshape(t, op_concat_rows(t, f->samples, each), shape_of(1, f->samples));
}

static Node *simnpo_loss(MethodStep *s)
{
    Tape *t = s->tape;
    const Part *f = &s->part[ROLE_FORGET];
    Node *loss = NULL;
    if (has(s, ROLE_FORGET)) {
        Node *ce = op_segment_mean(t, loss_nll(s, f), f->offsets, f->samples);
        Node *w, *npo = log_odds_loss(s, op_sub(t, ce, constant_rows(t, "delta", f->samples, s->v->delta)), 2, &w);
        seed_label(s, f, rows_of_samples(s, f, length_normalised(s, f, w)));
        loss = loss_add(s, NULL, npo, s->v->gamma);
    }
    return and_retain(s, loss);
}

#define DPO_CHAIN "DPO = k m, m = mean_i log sigmoid(u_i), k = RN(-s/beta), u_i = beta m_i, m_i = d_lose,i - d_win,i, d = NLL - NLL_ref, s = dpo_scale"
#define DPO_GRADIENT ";  dL/dz = c_i (p - e_y), c_i = -RN(s gamma) w_i/B on the forget answers, +RN(s gamma) w_i/B on the winners, w_i = sigmoid(-u_i), c = alpha/N on retain"

const Method method_dpo = {
    .name = "dpo", .source = "Rafailov et al. 2023 (dpo_scale = 1); open-unlearning (2); the refusal wins over the forget answer",
    .formula = "L = gamma DPO + alpha CE(retain), " DPO_CHAIN DPO_GRADIENT, .defaults = "beta=0.1",
    .needs = NEEDS_FORGET | NEEDS_REFUSAL | NEEDS_RETAIN | RETAIN_IF_ALPHA | REFERENCE_FORGET | REFERENCE_REFUSAL, .loss = dpo_loss,
};

const Method method_altpo = {
    .name = "altpo", .source = "Mekala et al. 2025 (AltPO); open-unlearning: an alternate answer wins over the forget answer; alternates are data",
    .formula = "L = gamma DPO + alpha CE(retain), " DPO_CHAIN DPO_GRADIENT, .defaults = "beta=0.1",
    .needs = NEEDS_FORGET | NEEDS_ALTERNATE | NEEDS_RETAIN | RETAIN_IF_ALPHA | REFERENCE_FORGET | REFERENCE_ALTERNATE, .loss = altpo_loss,
};

const Method method_simnpo = {
    .name = "simnpo", .source = "Fan et al. 2024 (SimNPO), the paper's gamma is beta delta here; open-unlearning",
    .formula = "L = gamma k m + alpha CE(retain), m = mean_i log sigmoid(u_i), k = RN(-2/beta), u_i = beta (CE_i - delta);  dL/dz = c_i (p - e_y), "
               "c_i = -2 gamma w_i/(B T_i), w_i = sigmoid(-u_i), on forget, c = alpha/N on retain",
    .defaults = "beta=4.5 gamma=0.125",
    .needs = NEEDS_FORGET | NEEDS_RETAIN | RETAIN_IF_ALPHA, .loss = simnpo_loss,
};
