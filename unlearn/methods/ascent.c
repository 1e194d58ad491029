/* SPDX-License-Identifier: MIT */
/* Gradient ascent, and what is put beside it: KL (PULSE's ga_klr), cross-entropy (grad_diff), both (kl_min). */
#include "unlearn/method.h"

static Node *ga_loss(MethodStep *s)
{
    return add_ce(s, NULL, ROLE_FORGET, -1);
}

static Node *ga_klr_loss(MethodStep *s)
{
    return add_kl(s, ga_loss(s), s->v->lambda);
}

static Node *grad_diff_loss(MethodStep *s)
{
    return add_ce(s, add_ce(s, NULL, ROLE_FORGET, -s->v->gamma), ROLE_RETAIN, s->v->alpha);
}

static Node *kl_min_loss(MethodStep *s)
{
    Node *loss = and_retain(s, add_ce(s, NULL, ROLE_FORGET, -s->v->gamma));
    return add_kl(s, loss, s->v->lambda);
}

#define KL_CHAIN "KL = RN(sum_rows RN(sum_v p_ref (log p_ref - log p)) / M) from stored p_ref, log p_ref, log p; M = N, all rows, or B " \
                 "(kl_norm = supervised, all_positions, batch; all rows are summed in the last two)"

const Method method_ga = {
    .name = "ga", .source = "gradient ascent: Jang et al. 2023; PULSE; MLLMU-Bench GA.py",
    .formula = "L = -CE(forget);  dL/dz = c (p - e_y), c = -1/N",
    .needs = NEEDS_FORGET, .loss = ga_loss,
};

const Method method_ga_klr = {
    .name = "ga_klr", .source = "MUSE (Shi et al. 2024): GA with KL on the retain set; PULSE",
    .formula = "L = -CE(forget) + lambda KL(retain), " KL_CHAIN ";  dL/dz = c (p - e_y), c = -1/N, on forget, c (p - p_ref), c = lambda/M, on retain. "
               "klr = muse_raw: KL is sum_rows sum_v e^{z_ref} (z_ref - z) / M, dL/dz = -lambda e^{z_ref}/M",
    .needs = NEEDS_FORGET | NEEDS_RETAIN | REFERENCE_RETAIN, .loss = ga_klr_loss,
};

const Method method_grad_diff = {
    .name = "grad_diff", .source = "gradient difference: Liu et al. 2022; TOFU; MLLMU-Bench GA_Difference.py (schedule = phased)",
    .formula = "L = -gamma CE(forget) + alpha CE(retain);  dL/dz = c (p - e_y), c = -gamma/N on forget, alpha/N on retain",
    .needs = NEEDS_FORGET | NEEDS_RETAIN, .loss = grad_diff_loss,
};

const Method method_kl_min = {
    .name = "kl_min", .source = "KL minimisation: TOFU (alpha = 0); MLLMU-Bench KL_Min.py (phased, kl_norm = batch)",
    .formula = "L = -gamma CE(forget) + alpha CE(retain) + lambda KL(retain), " KL_CHAIN ";  dL/dz = c (p - e_y), c = -gamma/N, on forget, "
               "the sum of c (p - e_y), c = alpha/N, and c (p - p_ref), c = lambda/M, on retain",
    .needs = NEEDS_FORGET | NEEDS_RETAIN | REFERENCE_RETAIN, .loss = kl_min_loss,
};
