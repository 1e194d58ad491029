/* SPDX-License-Identifier: MIT */
/* SIU: a concept gets another name. A divergence with two masks keeps everything except the two names.
 *
 *     L = alpha CE(alternate) + lambda MKL(alternate)        Li et al. 2024 (single image unlearning)
 *     MKL = sum_t K_S(t) sum_v K_V(v) p_ref (log p_ref - log p) / M
 *
 * The alternates answer the forget questions with the substitute name. K_S is 0 at the tokens of the substitute name:
 * the tokens that only the alternate has. K_V is 0 at the ids of the concept's name: the ids that only the forget
 * answer has. M is N, or B with kl_norm = batch (method.h). */
#include "unlearn/terms/terms.h"

static Node *siu_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    plus_ce(&loss, ROLE_ALTERNATE, s->hyper->alpha);
    plus_masked_kl(&loss, ROLE_FORGET, ROLE_ALTERNATE, s->hyper->lambda);
    return loss.sum;
}

const Method method_siu = {
    .name = "siu", .label = "SIU", .source = "Li et al. 2024 (single image unlearning, MMUBench), with its weights",
    .formula = { .loss = "L = alpha CE(alternate) + lambda MKL(alternate), MKL = RN(sum_t K_S RN(sum_v w (log p_ref - log p)) / M), w "
                         "= K_V p_ref",
                 .gradient = "dL/dz = the sum of c (p - e_y), c = alpha/N, and c_t (p - q), c_t = K_S RN(lambda RN(sum_v w) / M), q = "
                             "softmax(z_ref with -inf where K_V = 0), on alternate",
                 .variants = "kl_norm = batch: M = B, otherwise M = N",
                 .notes = "K_S = 0 at tokens of the alternate that its forget answer does not have (the substitute name), K_V = 0 at "
                          "ids of the forget answer that the alternate does not have (the concept's name)" },
    .defaults = "alpha=0.9 lambda=0.75",
    .needs = NEEDS_FORGET | NEEDS_ALTERNATE | REFERENCE_ALTERNATE, .loss = siu_loss,
};
