/* SPDX-License-Identifier: MIT */
/* Gradient ascent on the forget set, alone (ga) and with descent on the retain set (grad_diff).
 *
 *     ga          L = -CE(forget)                             Jang et al. 2023, "Knowledge unlearning"
 *     grad_diff   L = -gamma CE(forget) + alpha CE(retain)    Liu et al. 2022, "Continual learning and private unlearning"
 *
 * TOFU and open-unlearning take both terms of grad_diff in one step (schedule = joint). MLLMU-Bench's
 * GA_Difference.py makes a pass over the forget set and then a pass over the retain set (schedule = phased). That is
 * another algorithm under the same name. */
#include "unlearn/method.h"

static Node *ga_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    plus_ce(&loss, ROLE_FORGET, -1);
    return loss.sum;
}

static Node *grad_diff_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    plus_ce(&loss, ROLE_FORGET, -s->hyper->gamma);
    plus_ce(&loss, ROLE_RETAIN, s->hyper->alpha);
    return loss.sum;
}

const Method method_ga = {
    .name = "ga", .label = "GA", .source = "gradient ascent: Jang et al. 2023; PULSE; MLLMU-Bench GA.py",
    .formula = { .loss = "L = -CE(forget)", .gradient = "dL/dz = c (p - e_y), c = -1/N" },
    .needs = NEEDS_FORGET, .loss = ga_loss,
};

const Method method_grad_diff = {
    .name = "grad_diff", .label = "GradDiff",
    .source = "gradient difference: Liu et al. 2022; TOFU; MLLMU-Bench GA_Difference.py (schedule = phased)",
    .formula = { .loss = "L = -gamma CE(forget) + alpha CE(retain)",
                 .gradient = "dL/dz = c (p - e_y), c = -gamma/N on forget, alpha/N on retain" },
    .needs = NEEDS_FORGET | NEEDS_RETAIN, .loss = grad_diff_loss,
};
