/* SPDX-License-Identifier: MIT */
/* The divergence KL(p_ref || p) from the frozen reference model, which several methods put on the retain set.
 *
 * The public codes differ in its divisor M (kl_norm): TOFU and open-unlearning divide by all positions, MLLMU-Bench by the
 * samples of the batch. MUSE's code hands raw logits to a function of log-probabilities (klr = muse_raw): the gradient of that is
 * the constant -e^{z_ref}/M, so the term has no minimum. */
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
