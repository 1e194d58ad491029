/* SPDX-License-Identifier: MIT */
/* The divergence KL(p_ref || p) from the frozen reference model. Several methods put it on the retain set, and scrub
 * also on the forget set.
 *
 * The public codes differ:
 * - TOFU and open-unlearning divide by the number of all positions, MLLMU-Bench by the number of samples in the batch
 *   (kl_norm, which chooses the divisor M).
 * - MUSE's code hands raw logits to a function of log-probabilities (klr = muse_raw). The gradient is then the constant
 *   -e^{z_ref}/M, so the term has no minimum.
 * - CLEAR exchanges the two distributions (kl_direction = reverse).
 *
 * With a temperature T (Hinton et al. 2015), p and p_ref are the softmax of z/T and z_ref/T, and the KL is multiplied
 * by T^2. At T = 1 the operators for this are left out. */
#include "model/training/cross_entropy.h"
#include "tensor/ops.h"
#include "unlearn/method.h"

static size_t divisor(const MethodStep *s, const Part *p)
{
    const int norm = s->hyper->kl_norm;
    return norm == KL_BATCH ? p->samples : norm == KL_ALL_POSITIONS ? p->rows : p->tokens;
}

/* RN(z / T); z itself where T is 1. */
static Node *over_temperature(MethodStep *s, Node *z)
{
    return s->hyper->temperature == 1 ? z : op_ratio(s->tape, z, 1, s->hyper->temperature);
}

/* What KL and its gradient are made of. */
typedef struct { Node *p, *log_p, *p_ref, *log_p_ref; } Distributions;

static Distributions distributions(MethodStep *s, const Part *p)
{
    Tape *t = s->tape;
    Distributions d;
    Node *z = over_temperature(s, p->z);
    d.p = op_softmax(t, z);
    d.log_p = op_log_softmax(t, z);
    Node *z_ref = over_temperature(s, p->z_ref);
    d.p_ref = op_softmax(t, z_ref);
    d.log_p_ref = op_log_softmax(t, z_ref);
    return d;
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

/* RN(RN(T^2) KL), with the logits divided by T;  dz = RN(RN(weight T)/M) (p - p_ref). */
static Node *kl_at_temperature(MethodStep *s, const Part *p, float weight)
{
    Tape *t = s->tape;
    const float T = s->hyper->temperature;
    Distributions d = distributions(s, p);
    Node *c = constant_vector(t, "c", p->rows, weight * T / (float)divisor(s, p));
    tape_seed(t, p->z, op_logit_grad(t, d.p, d.p_ref, c));
    return op_scale(t, op_mean_over(t, op_kl(t, d.p_ref, d.log_p_ref, d.log_p), divisor(s, p)), T * T);
}

/* The same for KL(p || p_ref) = RN(sum over rows of RN(sum_v p (log p - log p_ref)) / M);
 * dz = p_v (a_v - sum_u p_u a_u), a = RN(RN(weight T) RN(log p - log p_ref) / M). */
static Node *kl_reverse(MethodStep *s, const Part *p, float weight)
{
    Tape *t = s->tape;
    const float T = s->hyper->temperature;
    Distributions d = distributions(s, p);
    Node *a = op_ratio(t, op_sub(t, d.log_p, d.log_p_ref), weight * T, (float)divisor(s, p));
    tape_seed(t, p->z, op_softmax_grad(t, d.p, a));
    Node *value = op_mean_over(t, op_kl(t, d.p, d.log_p, d.log_p_ref), divisor(s, p));
    return T == 1 ? value : op_scale(t, value, T * T);
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
    const Hyperparameters *v = s->hyper;
    if (has(s, role))
        plus_value(loss, v->klr == KLR_MUSE_RAW ? kl_of_raw_logits(s, p, weight)
                         : v->kl_direction == KL_REVERSE ? kl_reverse(s, p, weight)
                         : v->temperature != 1 ? kl_at_temperature(s, p, weight) : kl(s, p, weight), weight);
}
