/* SPDX-License-Identifier: MIT */
/* The term NPO = -(2/beta) mean log sigmoid(beta d), with the three d that the public codes compute (npo_ratio).
 *
 * Zhang et al. and open-unlearning take d_i = NLL_i - NLL_ref_i of each sequence. MLLMU-Bench takes one token mean of
 * the whole batch, so its effective beta is beta/N. MUSE takes differences of all raw logits and reads no labels.
 *
 * The comments of the three functions give the gradient that each seeds: with a coefficient c it is dz = c (p - e_y).
 * w = sigmoid(-beta d) is LogOdds.w (method.h). */
#include "tensor/ops.h"
#include "unlearn/method.h"

/* c_i = RN(-2 weight w_i / B) for the rows of sample i. */
static Node *sequence_sum(MethodStep *s, const Part *p, float weight)
{
    LogOdds o = log_odds(s, sequence_gain(s, p), 2);
    seed_label(s, p, rows_of_samples(s, p, op_ratio(s->tape, o.w, -2 * weight, (float)p->samples)));
    return o.loss;
}

/* d = RN(CE - CE_ref), one number; c = RN(-2 weight w / N) for all rows. */
static Node *batch_mean(MethodStep *s, const Part *p, float weight)
{
    Node *before = batch_ce(s, p, p->z_ref);
    LogOdds o = log_odds(s, op_sub(s->tape, batch_ce(s, p, p->z), before), 2);
    seed_label(s, p, rows_of_all(s, p, op_ratio(s->tape, o.w, -2 * weight, (float)p->tokens)));
    return o.loss;
}

/* d = RN(z_ref - z) of every logit; dz = RN(2 weight w / RN(R V)). */
static Node *raw_logits(MethodStep *s, const Part *p, float weight)
{
    LogOdds o = log_odds(s, op_sub(s->tape, p->z_ref, p->z), 2);
    if (o.w)
        tape_seed(s->tape, p->z, op_ratio(s->tape, o.w, 2 * weight, (float)shape_size(o.w->out.shape)));
    return o.loss;
}

void plus_npo(Loss *loss, Role role, float weight)
{
    // in the order of the choices of npo_ratio
    static Node *(*const forms[])(MethodStep *, const Part *, float) = { sequence_sum, batch_mean, raw_logits };
    MethodStep *s = loss->step;
    if (has(s, role))
        plus_value(loss, forms[s->hyper->npo_ratio](s, &s->part[role], weight), weight);
}
