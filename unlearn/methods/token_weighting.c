/* SPDX-License-Identifier: MIT */
/* Gradient ascent in which each token has a weight, computed from the token's own probability (wga, satimp).
 *
 *     L = -gamma sum_t w_t nll_t / N + alpha CE(retain), where no gradient flows through w
 *     wga      w_t = p_y^beta                        Wang et al. 2025
 *     satimp   w_t = p_y^beta (1 - p_y)^beta2        Yang et al. 2025
 *
 * The defaults of satimp are those of open-unlearning's yaml, gamma = 0.1 and alpha = 1. The class in the same code has
 * gamma = 1 and alpha = 0.1. */
#include "model/training/cross_entropy.h"
#include "tensor/ops.h"
#include "unlearn/method.h"

/* p_y^b = RN(e^RN(-b nll)) */
static Node *power(MethodStep *s, Node *nll, float b)
{
    return op_exp(s->tape, op_scale(s->tape, nll, -b));
}

/* (1 - p_y)^b = RN(e^RN(b RN(log RN(1 - RN(e^-nll))))) */
static Node *power_of_rest(MethodStep *s, const Part *p, Node *nll, float b)
{
    Tape *t = s->tape;
    Node *p_y = power(s, nll, 1);
    Node *rest = op_sub(t, constant_vector(t, "one", p->rows, 1), p_y);
    return op_exp(t, op_scale(t, op_log(t, rest), b));
}

static Node *wga_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    const Part *f = &s->part[ROLE_FORGET];
    if (has(s, ROLE_FORGET)) {
        Node *nll = token_nll(s, f, f->z), *w = power(s, nll, s->hyper->beta);
        plus_weighted_ce(&loss, f, nll, w, -s->hyper->gamma);
    }
    plus_optional_ce(&loss, ROLE_RETAIN, s->hyper->alpha);
    return loss.sum;
}

static Node *satimp_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    const Part *f = &s->part[ROLE_FORGET];
    if (has(s, ROLE_FORGET)) {
        Node *nll = token_nll(s, f, f->z), *w = power(s, nll, s->hyper->beta);
        if (s->hyper->beta2 > 0)
            w = op_mul(s->tape, w, power_of_rest(s, f, nll, s->hyper->beta2));
        plus_weighted_ce(&loss, f, nll, w, -s->hyper->gamma);
    }
    plus_optional_ce(&loss, ROLE_RETAIN, s->hyper->alpha);
    return loss.sum;
}

#define WEIGHTED_CE "L = -gamma WCE(forget) + alpha CE(retain), WCE = RN(sum_t RN(w_t nll_t) / N), "
#define WEIGHTED_GRADIENT "dL/dz = c_t (p - e_y), c_t = -gamma w_t/N on forget, alpha/N on retain"

const Method method_wga = {
    .name = "wga", .label = "WGA", .source = "Wang et al. 2025 (weighted gradient ascent); open-unlearning",
    .formula = { .loss = WEIGHTED_CE "w_t = e^RN(-beta nll_t) = p_y^beta, no gradient through w", .gradient = WEIGHTED_GRADIENT },
    .needs = NEEDS_FORGET | NEEDS_RETAIN | RETAIN_IF_ALPHA, .loss = wga_loss,
};

const Method method_satimp = {
    .name = "satimp",
    .label = "SatImp",
    .source = "Yang et al. 2025 (saturation and importance); open-unlearning's yaml (its class has gamma and alpha swapped)",
    .formula = { .loss = WEIGHTED_CE "w_t = a_t b_t, a_t = e^RN(-beta nll_t), b_t = e^RN(beta2 log(1 - e^-nll_t)) (1 where beta2 "
                                     "= 0), no gradient through w",
                 .gradient = WEIGHTED_GRADIENT },
    .defaults = "beta=5 beta2=1 gamma=0.1",
    .needs = NEEDS_FORGET | NEEDS_RETAIN | RETAIN_IF_ALPHA,
    .loss = satimp_loss,
};
