/* SPDX-License-Identifier: MIT */
/* Gradient ascent with a divergence KL(p_ref || p) (terms/kl.c), which keeps the retain set near the reference model.
 *
 *     ga_klr   L = -CE(forget) + lambda KL(retain)                               MUSE (Shi et al. 2024); PULSE
 *     kl_min   L = -gamma CE(forget) + alpha CE(retain) + lambda KL(retain)      TOFU with alpha = 0
 *
 * MLLMU-Bench's KL_Min.py makes a pass over the forget set, and then a pass over the retain set with both retain terms
 * (schedule = phased). */
#include "unlearn/method.h"

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

#define KL_CHAIN "KL = RN(sum_rows RN(sum_v p_ref (log p_ref - log p)) / M) from stored p_ref, log p_ref, log p; " \
                 "M = N, all rows, or B (kl_norm = supervised, all_positions, batch; all rows are summed in the last two)"

const Method method_ga_klr = {
    .name = "ga_klr", .label = "GA+KLR", .source = "MUSE (Shi et al. 2024): GA with KL on the retain set; PULSE",
    .formula = { .loss = "L = -CE(forget) + lambda KL(retain), " KL_CHAIN,
                 .gradient = "dL/dz = c (p - e_y), c = -1/N, on forget, c (p - p_ref), c = lambda/M, on retain",
                 .variants = "klr = muse_raw: KL is sum_rows sum_v e^{z_ref} (z_ref - z) / M, dL/dz = -lambda e^{z_ref}/M" },
    .needs = NEEDS_FORGET | NEEDS_RETAIN | REFERENCE_RETAIN, .loss = ga_klr_loss,
};

const Method method_kl_min = {
    .name = "kl_min", .label = "KL-min",
    .source = "KL minimisation: TOFU (alpha = 0); MLLMU-Bench KL_Min.py (phased, kl_norm = batch)",
    .formula = { .loss = "L = -gamma CE(forget) + alpha CE(retain) + lambda KL(retain), " KL_CHAIN,
                 .gradient = "dL/dz = c (p - e_y), c = -gamma/N, on forget, "
                             "the sum of c (p - e_y), c = alpha/N, and c (p - p_ref), c = lambda/M, on retain" },
    .needs = NEEDS_FORGET | NEEDS_RETAIN | REFERENCE_RETAIN, .loss = kl_min_loss,
};
