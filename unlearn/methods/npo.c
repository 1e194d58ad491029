/* SPDX-License-Identifier: MIT */
/* Negative preference optimisation, alone (npo), with cross-entropy (npo_gd) and with KL (npo_kl) on the retain set.
 *
 *     NPO = -(2/beta) mean_i log sigmoid(beta d_i), d_i = NLL_i - NLL_ref_i      Zhang et al. 2024, eq. 3: sums over a sequence
 *     npo      L = NPO(forget)
 *     npo_gd   L = gamma NPO(forget) + alpha CE(retain)
 *     npo_kl   L = gamma NPO(forget) + lambda KL(retain)
 *
 * Three public codes compute three different d (npo_ratio). The authors and open-unlearning take the sequence sums, and what
 * open-unlearning calls NPO is npo_gd. MLLMU-Bench takes one token mean of the whole batch, against a model that was fine-tuned on
 * retained data alone (reference = retain_only). MUSE takes differences of raw logits and reads no labels. */
#include "tensor/ops.h"
#include "unlearn/method.h"

/* c_i = RN(-2 weight w_i / B) for the rows of sample i. */
static Node *sequence_sum(MethodStep *s, const Part *p, float weight)
{
    LogOdds o = log_odds(s, sequence_gain(s, p), 2);
    seed_label(s, p, rows_of_samples(s, p, op_ratio(s->tape, o.w, -2 * weight, (float)p->samples)));
    return o.loss;
}

/* d = RN(CE - CE_ref), one number; c = RN(-2 weight w / N) for all rows. */
static Node *batch_mean(MethodStep *s, const Part *p, float weight)
{
    Node *before = batch_ce(s, p, p->z_ref);
    LogOdds o = log_odds(s, op_sub(s->tape, batch_ce(s, p, p->z), before), 2);
    seed_label(s, p, rows_of_all(s, p, op_ratio(s->tape, o.w, -2 * weight, (float)p->tokens)));
    return o.loss;
}

/* d = RN(z_ref - z) of every logit; dz = RN(2 weight w / RN(R V)). */
static Node *raw_logits(MethodStep *s, const Part *p, float weight)
{
    LogOdds o = log_odds(s, op_sub(s->tape, p->z_ref, p->z), 2);
    if (o.w)
        tape_seed(s->tape, p->z, op_ratio(s->tape, o.w, 2 * weight, (float)shape_size(o.w->out.shape)));
    return o.loss;
}

static void plus_npo(Loss *loss, Role role, float weight)
{
    static Node *(*const forms[])(MethodStep *, const Part *, float) = { sequence_sum, batch_mean, raw_logits };   // by npo_ratio
    MethodStep *s = loss->step;
    if (has(s, role))
        plus_value(loss, forms[s->hyper->npo_ratio](s, &s->part[role], weight), weight);
}

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
                 .gradient = "dL/dz = c_i (p - e_y), c_i = -2 gamma w_i/B, w_i = sigmoid(-u_i), on forget, c = alpha/N on retain",
                 .variants = NPO_FORMS },
    .needs = NEEDS_FORGET | NEEDS_RETAIN | REFERENCE_FORGET, .by_sequence = true, .loss = npo_gd_loss,
};

const Method method_npo_kl = {
    .name = "npo_kl", .label = "NPO+KL", .source = "Zhang et al. 2024 (NPO + KL on the retain set); open-unlearning",
    .formula = { .loss = "L = gamma NPO(forget) + lambda KL(retain), " NPO_CHAIN ", KL as in ga_klr",
                 .gradient = "dL/dz = c_i (p - e_y), c_i = -2 gamma w_i/B, w_i = sigmoid(-u_i), on forget, "
                             "c (p - p_ref), c = lambda/M, on retain",
                 .variants = NPO_FORMS },
    .needs = NEEDS_FORGET | NEEDS_RETAIN | REFERENCE_FORGET | REFERENCE_RETAIN, .by_sequence = true, .loss = npo_kl_loss,
};
