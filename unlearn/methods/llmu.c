/* SPDX-License-Identifier: MIT */
/* LLMU: gradient ascent on the answers, descent on random answers to the same questions, and a KL on the retain set.
 *
 *     L = -gamma CE(forget) + alpha CE(random answers) + lambda KL(retain)        Yao et al. 2023
 *
 * The random answers are those of retain samples, drawn anew in each step. CLEAR uses refusals instead of them
 * (answers = refusal), and KL(p || p_ref) (kl_direction = reverse). The public code ends when the forget loss exceeds
 * 100 (stop_loss). In place of the KL it has the cross-entropy with p_ref over all positions (kl_norm = all_positions),
 * which has the same gradient. */
#include "unlearn/method.h"

enum { FORGET_CE };                     // place in MethodStep.memory: CE(forget) of the last step with forget samples

static Node *llmu_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    const Node *ce = plus_ce(&loss, ROLE_FORGET, -s->hyper->gamma);
    plus_ce(&loss, s->hyper->answers == ANSWERS_REFUSAL ? ROLE_REFUSAL : ROLE_RANDOM, s->hyper->alpha);
    plus_kl(&loss, ROLE_RETAIN, s->hyper->lambda);
    s->memory[FORGET_CE] = ce ? ce->out.f32[0] : s->memory[FORGET_CE];
    return loss.sum;
}

static const char *llmu_stop(const Hyperparameters *hyper, const float memory[METHOD_MEMORY], Arena *a)
{
    if (hyper->stop_loss == 0 || !(memory[FORGET_CE] > hyper->stop_loss))
        return NULL;
    return arena_format(a, "llmu: the forget loss is %g, above unlearn.stop_loss = %g", (double)memory[FORGET_CE],
                        (double)hyper->stop_loss);
}

const Method method_llmu = {
    .name = "llmu", .label = "LLMU",
    .source = "Yao et al. 2023 (LLMU), with the weights of its public code; CLEAR (answers = refusal, kl_direction = reverse)",
    .formula = { .loss = "L = -gamma CE(forget) + alpha CE(random answers) + lambda KL(retain), KL rounded as that of kl_min",
                 .gradient = "dL/dz = c (p - e_y), c = -gamma/N, on forget, c = alpha/N, on random answers, c (p - p_ref), c = "
                             "lambda/M, on retain",
                 .variants = "answers = refusal: refusals in place of random answers",
                 .notes = "random_answers answers of retain samples to each forget question, drawn from seed + step. It ends where "
                          "CE(forget) of a step is above stop_loss" },
    .defaults = "gamma=0.5 kl_norm=all_positions",
    .needs = NEEDS_FORGET | NEEDS_RETAIN | NEEDS_RANDOM | RANDOM_OR_REFUSAL | REFERENCE_RETAIN,
    .loss = llmu_loss, .stop = llmu_stop,
};
