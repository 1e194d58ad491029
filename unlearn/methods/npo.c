/* SPDX-License-Identifier: MIT */
/* Negative preference optimisation, alone (npo), with cross-entropy (npo_gd) and with KL (npo_kl) on the retain set.
 *
 *     npo      L = NPO(forget)                              Zhang et al. 2024, eq. 3
 *     npo_gd   L = gamma NPO(forget) + alpha CE(retain)     what open-unlearning calls NPO
 *     npo_kl   L = gamma NPO(forget) + lambda KL(retain)
 *
 * unlearn/terms/npo_forms.c has the three forms of NPO that the public codes compute. The reference of MLLMU-Bench is a
 * model that was fine-tuned on the retain set alone (reference = retain_only). The reference of the other codes is the
 * model before unlearning. */
#include "unlearn/method.h"

static Node *npo_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    plus_npo(&loss, ROLE_FORGET, 1);
    return loss.sum;
}

static Node *npo_gd_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    plus_npo(&loss, ROLE_FORGET, s->hyper->gamma);
    plus_ce(&loss, ROLE_RETAIN, s->hyper->alpha);
    return loss.sum;
}

static Node *npo_kl_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    plus_npo(&loss, ROLE_FORGET, s->hyper->gamma);
    plus_kl(&loss, ROLE_RETAIN, s->hyper->lambda);
    return loss.sum;
}

#define NPO_CHAIN "NPO = k m, m = mean_i log sigmoid(u_i), k = RN(-2/beta), u_i = beta d_i, d_i = NLL_i - NLL_ref_i"
#define NPO_FORMS "npo_ratio = batch_mean: one d = CE - CE_ref, c = -2 gamma w/N for all rows; " \
                  "raw_logits: d_rv = z_ref - z, mean over all R V, dL/dz = 2 gamma w/RN(R V)"
#define NPO_GRADIENT "dL/dz = c_i (p - e_y), c_i = -2 gamma w_i/B, w_i = sigmoid(-u_i), on forget, "

const Method method_npo = {
    .name = "npo", .label = "NPO",
    .source = "Zhang et al. 2024, eq. 3 (sequence sums); PULSE; MLLMU-Bench NPO.py (batch_mean), MUSE (raw_logits)",
    .formula = { .loss = "L = " NPO_CHAIN, .gradient = "dL/dz = c_i (p - e_y), c_i = -2 w_i/B, w_i = sigmoid(-u_i)",
                 .variants = NPO_FORMS " (gamma = 1)" },
    .needs = NEEDS_FORGET | REFERENCE_FORGET, .by_sequence = true, .loss = npo_loss,
};

const Method method_npo_gd = {
    .name = "npo_gd", .label = "NPO+GD", .source = "Zhang et al. 2024 (NPO + retain loss); what open-unlearning calls NPO",
    .formula = { .loss = "L = gamma NPO(forget) + alpha CE(retain), " NPO_CHAIN,
                 .gradient = NPO_GRADIENT "c = alpha/N on retain", .variants = NPO_FORMS },
    .needs = NEEDS_FORGET | NEEDS_RETAIN | REFERENCE_FORGET, .by_sequence = true, .loss = npo_gd_loss,
};

const Method method_npo_kl = {
    .name = "npo_kl", .label = "NPO+KL", .source = "Zhang et al. 2024 (NPO + KL on the retain set); open-unlearning",
    .formula = { .loss = "L = gamma NPO(forget) + lambda KL(retain), " NPO_CHAIN ", KL as in ga_klr",
                 .gradient = NPO_GRADIENT "c (p - p_ref), c = lambda/M, on retain", .variants = NPO_FORMS },
    .needs = NEEDS_FORGET | NEEDS_RETAIN | REFERENCE_FORGET | REFERENCE_RETAIN, .by_sequence = true, .loss = npo_kl_loss,
};
