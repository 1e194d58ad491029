/* SPDX-License-Identifier: MIT */
/* Gradient ascent that a divergence KL(p_ref || p) holds near the reference model on the retain set.
 *
 *     ga_klr   L = -CE(forget) + lambda KL(retain)                               MUSE (Shi et al. 2024); PULSE
 *     kl_min   L = -gamma CE(forget) + alpha CE(retain) + lambda KL(retain)      TOFU with alpha = 0; MLLMU-Bench KL_Min.py
 *
 * The public codes differ in the divisor M of the KL (kl_norm): TOFU and open-unlearning divide by all positions, MLLMU-Bench by
 * the samples of the batch. MUSE's code hands raw logits to a function of log-probabilities (klr = muse_raw), whose gradient is
 * the constant -e^{z_ref}/M: it has no minimum. */
#include "tensor/ops.h"
#include "unlearn/method.h"

static size_t divisor(const MethodStep *s, const Part *p)
{
    const int norm = s->hyper->kl_norm;
    return norm == KL_BATCH ? p->samples : norm == KL_ALL_POSITIONS ? p->rows : p->tokens;
}

/* KL = RN(sum over rows of RN(sum_v p_ref (log p_ref - log p)) / M);  dz = RN(weight/M) (p - p_ref). */
static Node *kl(MethodStep *s, const Part *p, float weight)
{
    Tape *t = s->tape;
    Node *p_ref = op_softmax(t, p->z_ref);
    seed_target(s, p, p_ref, weight / (float)divisor(s, p));
    Node *log_p = op_log_softmax(t, p->z);
    return op_mean_over(t, op_kl(t, p_ref, op_log_softmax(t, p->z_ref), log_p), divisor(s, p));
}

/* RN(sum over rows of RN(sum_v e^{z_ref} (z_ref - z)) / M);  dz = RN(-weight e^{z_ref} / M). */
static Node *kl_of_raw_logits(MethodStep *s, const Part *p, float weight)
{
    Tape *t = s->tape;
    Node *e = op_exp(t, p->z_ref);
    tape_seed(t, p->z, op_ratio(t, e, -weight, (float)divisor(s, p)));
    return op_mean_over(t, op_kl(t, e, p->z_ref, p->z), divisor(s, p));
}

void plus_kl(Loss *loss, Role role, float weight)
{
    MethodStep *s = loss->step;
    const Part *p = &s->part[role];
    if (has(s, role))
        plus_value(loss, s->hyper->klr == KLR_MUSE_RAW ? kl_of_raw_logits(s, p, weight) : kl(s, p, weight), weight);
}

static Node *ga_klr_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    plus_ce(&loss, ROLE_FORGET, -1);
    plus_kl(&loss, ROLE_RETAIN, s->hyper->lambda);
    return loss.sum;
}

static Node *kl_min_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    plus_ce(&loss, ROLE_FORGET, -s->hyper->gamma);
    plus_optional_ce(&loss, ROLE_RETAIN, s->hyper->alpha);
    plus_kl(&loss, ROLE_RETAIN, s->hyper->lambda);
    return loss.sum;
}

#define KL_CHAIN "KL = RN(sum_rows RN(sum_v p_ref (log p_ref - log p)) / M) from stored p_ref, log p_ref, log p; M = N, all rows, or B " \
                 "(kl_norm = supervised, all_positions, batch; all rows are summed in the last two)"

const Method method_ga_klr = {
    .name = "ga_klr", .label = "GA+KLR", .source = "MUSE (Shi et al. 2024): GA with KL on the retain set; PULSE",
    .formula = { .loss = "L = -CE(forget) + lambda KL(retain), " KL_CHAIN,
                 .gradient = "dL/dz = c (p - e_y), c = -1/N, on forget, c (p - p_ref), c = lambda/M, on retain",
                 .variants = "klr = muse_raw: KL is sum_rows sum_v e^{z_ref} (z_ref - z) / M, dL/dz = -lambda e^{z_ref}/M" },
    .needs = NEEDS_FORGET | NEEDS_RETAIN | REFERENCE_RETAIN, .loss = ga_klr_loss,
};

const Method method_kl_min = {
    .name = "kl_min", .label = "KL-min", .source = "KL minimisation: TOFU (alpha = 0); MLLMU-Bench KL_Min.py (phased, kl_norm = batch)",
    .formula = { .loss = "L = -gamma CE(forget) + alpha CE(retain) + lambda KL(retain), " KL_CHAIN,
                 .gradient = "dL/dz = c (p - e_y), c = -gamma/N, on forget, the sum of c (p - e_y), c = alpha/N, and c (p - p_ref), "
                             "c = lambda/M, on retain" },
    .needs = NEEDS_FORGET | NEEDS_RETAIN | REFERENCE_RETAIN, .loss = kl_min_loss,
};
