/* SPDX-License-Identifier: MIT */
/* Primal-dual unlearning (pdu): the logits of the forget set are made flat, under the constraint that the retain loss
 * stays below a limit.
 *
 *     L = gamma mean_r (max_v z - mean_v z)^2 (forget) + alpha_t (CE(retain) - retain_limit)      open-unlearning
 *     alpha <- max(0, alpha + dual_step (CE(retain) - retain_limit)) after each step that reads retained samples, once
 *              dual_warmup epochs are over
 *
 * alpha_t is the alpha that the steps before step t have left; the first step uses `alpha`. The rows r should be those
 * that predict a token of an answer (forget_rows = shifted). The public code takes the rows of these tokens themselves
 * (unshifted). Before October 2025 it took all rows (all). */
#include "tensor/ops.h"
#include "unlearn/terms/terms.h"

enum { DUAL, DUAL_IS_SET };             // places of MethodStep.memory: alpha_t, and whether it was set

/* Adds alpha (CE - retain_limit). Once dual_warmup epochs are over, also stores the alpha of the next step. */
static void plus_constraint(Loss *loss, const Part *p)
{
    MethodStep *s = loss->step;
    const Hyperparameters *v = s->hyper;
    const float alpha = s->memory[DUAL_IS_SET] != 0 ? s->memory[DUAL] : v->alpha;
    seed_label_all(s, p, alpha / (float)p->tokens);
    Node *ce = batch_ce(s, p, p->z), *above = op_sub(s->tape, ce, tape_scalar(s->tape, "retain_limit", v->retain_limit));
    plus_value(loss, above, alpha);
    if (!above || s->epoch < v->dual_warmup)
        return;
    const float climb = v->dual_step * above->out.f32[0], next = alpha + climb;
    s->memory[DUAL] = next > 0 ? next : 0;
    s->memory[DUAL_IS_SET] = 1;
}

static Node *pdu_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    plus_flatness(&loss, ROLE_FORGET, s->hyper->gamma);
    if (has(s, ROLE_RETAIN))
        plus_constraint(&loss, &s->part[ROLE_RETAIN]);
    return loss.sum;
}

const Method method_pdu = {
    .name = "pdu", .label = "PDU", .source = "open-unlearning (primal-dual unlearning), with the values of its run on TOFU",
    .formula = { .loss = "L = gamma F(forget) + alpha_t C, F = RN(RN(sum_r d_r^2) / n), d_r = RN(max_v z - RN(mean_v z)), "
                         "C = RN(CE(retain) - retain_limit)",
                 .gradient = "dL/dz = c_r (u - e_max), c_r = RN(-2 gamma d_r/n), u = RN(1/V), on the n rows of forget, "
                             "c (p - e_y), c = alpha_t/N, on retain",
                 .variants = "forget_rows = shifted: the rows that predict a token of an answer; unshifted: the rows of these tokens; all",
                 .notes = "After a step, once dual_warmup epochs are over, alpha_t <- max(0, RN(alpha_t + RN(dual_step C))); it begins "
                          "as alpha; e_max is one-hot at the largest logit of the row, the first of equal ones" },
    .defaults = "alpha=100", .needs = NEEDS_FORGET | NEEDS_RETAIN | FORGET_BY_ROWS, .loss = pdu_loss,
};
