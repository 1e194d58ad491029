/* SPDX-License-Identifier: MIT */
/* The retain term that keeps the model near its reference: KL(p_ref || p), as the public codes normalise it. */
#include "tensor/ops.h"
#include "unlearn/method.h"

/* M: supervised positions, all positions, or samples (the batchmean of a 3-D tensor). */
static size_t divisor(const MethodStep *s, const Part *r)
{
    return s->v->kl_norm == KL_BATCH ? r->samples : s->v->kl_norm == KL_ALL_POSITIONS ? r->rows : r->tokens;
}

/* KL = RN(sum over rows of RN(sum_v pr (lr - l)) / M);  dL/dz = c (p - pr), c = RN(weight/M) */
static Node *kl(MethodStep *s, const Part *r, float weight)
{
    Tape *t = s->tape;
    Node *pr = op_softmax(t, r->z_ref);
    seed_target(s, r, pr, weight / (float)divisor(s, r));
    Node *l = op_log_softmax(t, r->z);
    return op_mean_over(t, op_kl(t, pr, op_log_softmax(t, r->z_ref), l), divisor(s, r));
}

/* MUSE's code hands raw logits to kl_div(log_target): sum e^{z_ref} (z_ref - z) / M, whose gradient is the constant -e^{z_ref}/M. */
static Node *muse_raw(MethodStep *s, const Part *r, float weight)
{
    Tape *t = s->tape;
    Node *e = op_exp(t, r->z_ref);
    tape_seed(t, r->z, op_ratio(t, e, -weight, (float)divisor(s, r)));
    return op_mean_over(t, op_kl(t, e, r->z_ref, r->z), divisor(s, r));
}

Node *add_kl(MethodStep *s, Node *sum, float weight)
{
    const Part *r = &s->part[ROLE_RETAIN];
    if (!has(s, ROLE_RETAIN))
        return sum;
    return loss_add(s, sum, s->v->klr == KLR_MUSE_RAW ? muse_raw(s, r, weight) : kl(s, r, weight), weight);
}
