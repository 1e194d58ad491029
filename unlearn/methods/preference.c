/* SPDX-License-Identifier: MIT */
/* Preference losses: another answer to the forget question wins over the true one.
 *
 *     DPO = -(s/beta) mean_i log sigmoid(beta m_i), m_i = d_lose,i - d_win,i, d = NLL - NLL_ref    Rafailov et al. 2023
 *     dpo, altpo   L = gamma DPO + alpha CE(retain)
 *
 * In dpo the winner is a refusal. In altpo (Mekala et al. 2025) it is an alternate answer, which the model itself has
 * given (ref/config/alternates.h). dpo_scale is s: the factor s/beta is 1 in Rafailov et al. and TOFU (s = beta), and
 * 2/beta in open-unlearning (s = 2). */
#include "tensor/ops.h"
#include "unlearn/method.h"

/* Seeds dz = c_i (p - e_y): c_i = RN(-RN(dpo_scale weight) w_i / B) on the loser's rows, and the same with + on the
 * winner's, w_i = sigmoid(-beta m_i). */
static void plus_dpo(Loss *loss, Role winner, Role loser, float weight)
{
    MethodStep *s = loss->step;
    const Part *win = &s->part[winner], *lose = &s->part[loser];
    const float scale = s->hyper->dpo_scale, c = scale * weight, n = (float)lose->samples;
    if (!has(s, loser))
        return;
    Node *d_lose = sequence_gain(s, lose);
    Node *d_win = sequence_gain(s, win);
    LogOdds o = log_odds(s, op_sub(s->tape, d_lose, d_win), scale);
    seed_label(s, lose, rows_of_samples(s, lose, op_ratio(s->tape, o.w, -c, n)));
    seed_label(s, win, rows_of_samples(s, win, op_ratio(s->tape, o.w, c, n)));
    plus_value(loss, o.loss, weight);
}

static Node *preference_loss(MethodStep *s, Role winner)
{
    Loss loss = { .step = s };
    plus_dpo(&loss, winner, ROLE_FORGET, s->hyper->gamma);
    plus_optional_ce(&loss, ROLE_RETAIN, s->hyper->alpha);
    return loss.sum;
}

static Node *dpo_loss(MethodStep *s) { return preference_loss(s, ROLE_REFUSAL); }
static Node *altpo_loss(MethodStep *s) { return preference_loss(s, ROLE_ALTERNATE); }

#define DPO_FORMULA { \
    .loss = "L = gamma DPO + alpha CE(retain), DPO = k m, m = mean_i log sigmoid(u_i), k = RN(-s/beta), u_i = beta m_i, " \
            "m_i = d_lose,i - d_win,i, d = NLL - NLL_ref, s = dpo_scale", \
    .gradient = "dL/dz = c_i (p - e_y), c_i = -RN(s gamma) w_i/B on the forget answers, +RN(s gamma) w_i/B on the winners, " \
                "w_i = sigmoid(-u_i), c = alpha/N on retain" }

const Method method_dpo = {
    .name = "dpo", .label = "DPO",
    .source = "Rafailov et al. 2023 (dpo_scale = beta); open-unlearning (2); the refusal wins over the forget answer",
    .formula = DPO_FORMULA, .defaults = "beta=0.1", .by_sequence = true, .loss = dpo_loss,
    .needs = NEEDS_FORGET | NEEDS_REFUSAL | NEEDS_RETAIN | RETAIN_IF_ALPHA | REFERENCE_FORGET | REFERENCE_REFUSAL,
};

const Method method_altpo = {
    .name = "altpo", .label = "AltPO",
    .source = "Mekala et al. 2025 (AltPO); open-unlearning: an alternate answer, which the model itself gives, wins",
    .formula = DPO_FORMULA, .defaults = "beta=0.1", .by_sequence = true, .loss = altpo_loss,
    .needs = NEEDS_FORGET | NEEDS_ALTERNATE | NEEDS_RETAIN | RETAIN_IF_ALPHA | REFERENCE_FORGET | REFERENCE_ALTERNATE,
};
