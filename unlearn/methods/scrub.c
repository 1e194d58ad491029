/* SPDX-License-Identifier: MIT */
/* SCRUB: the teacher is the model before unlearning. The student moves away from it on the forget set, and stays near
 * it on the retain set.
 *
 *     L = -gamma T^2 KL(forget) + alpha CE(retain) + lambda T^2 KL(retain)        Kurmanji et al. 2023
 *
 * T is the temperature, and M in `.formula` is the divisor of the KL, which kl_norm chooses (terms/kl.c). Passes over
 * the forget set and over the retain set take turns, and the last epochs read the retain set alone (schedule = phased,
 * forget_epochs). CLEAR takes both sets in one step (schedule = joint) and exchanges the two distributions
 * (kl_direction = reverse). The student begins as a copy of its teacher, where the KL and its gradient are 0. So the
 * first pass over the forget set changes nothing, unless the optimiser decays the weights. */
#include "unlearn/method.h"

static Node *scrub_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    plus_kl(&loss, ROLE_FORGET, -s->hyper->gamma);
    plus_optional_ce(&loss, ROLE_RETAIN, s->hyper->alpha);
    plus_kl(&loss, ROLE_RETAIN, s->hyper->lambda);
    return loss.sum;
}

const Method method_scrub = {
    .name = "scrub", .label = "SCRUB",
    .source = "Kurmanji et al. 2023 (SCRUB), with the values of its public code; CLEAR (schedule = joint, kl_direction = reverse)",
    .formula = { .loss = "L = -gamma T^2 KL(forget) + alpha CE(retain) + lambda T^2 KL(retain), KL of softmax(z_ref/T) and "
                         "softmax(z/T), rounded as that of kl_min",
                 .gradient = "dL/dz = c (p_T - p_ref,T), c = -gamma T/M, on forget, the sum of c (p - e_y), c = alpha/N, and c (p_T - "
                             "p_ref,T), c = lambda T/M, on retain",
                 .variants = "kl_direction = reverse: KL(p || p_ref), dL/dz_v = p_v (a_v - sum_u p_u a_u), a = (weight T/M) (log p - "
                             "log p_ref)",
                 .notes = "The reference is the teacher, and p = p_ref at first, so the first epoch of the forget set changes nothing" },
    .defaults = "schedule=phased forget_epochs=2 temperature=4 alpha=0.99 lambda=0.001",
    .needs = NEEDS_FORGET | NEEDS_RETAIN | REFERENCE_FORGET | REFERENCE_RETAIN | KL_ON_FORGET, .loss = scrub_loss,
};
