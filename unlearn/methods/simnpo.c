/* SPDX-License-Identifier: MIT */
/* SimNPO: negative preference optimisation without a reference, with the mean NLL of a sequence in place of the sum.
 *
 *     L = -gamma (2/beta) mean_i log sigmoid(beta (CE_i - delta)) + alpha CE(retain)      Fan et al. 2024
 *
 * The gamma of the paper is the product beta delta here; the gamma here is the weight of the forget term. The defaults
 * are those of open-unlearning. */
#include "model/training/cross_entropy.h"
#include "tensor/ops.h"
#include "unlearn/method.h"

/* c_i = RN(-2 weight w_i / (B T_i)). T_i differs between samples, so each sample is divided on its own. */
static Node *divided_by_length(MethodStep *s, const Part *p, Node *w, float weight)
{
    Tape *t = s->tape;
    Node **each = t->error->failed ? NULL : arena_array(t->arena, p->samples, sizeof *each);
    Node *column = op_reshape(t, w, shape_of(2, p->samples, (size_t)1));
    if (!each || !column)
        return NULL;
    for (size_t i = 0; i < p->samples; i++) {
        size_t length = (size_t)(p->offsets[i + 1] - p->offsets[i]);
        each[i] = op_ratio(t, op_slice_rows(t, column, i, 1), -2 * weight, (float)(p->samples * length));
    }
    return op_reshape(t, op_concat_rows(t, p->samples, each), shape_of(1, p->samples));
}

static void plus_simnpo(Loss *loss, Role role, float weight)
{
    MethodStep *s = loss->step;
    Tape *t = s->tape;
    const Part *p = &s->part[role];
    if (!has(s, role))
        return;
    Node *ce = op_segment_mean(t, token_nll(s, p, p->z), p->offsets, p->samples);
    LogOdds o = log_odds(s, op_sub(t, ce, constant_vector(t, "delta", p->samples, s->hyper->delta)), 2);
    seed_label(s, p, rows_of_samples(s, p, divided_by_length(s, p, o.w, weight)));
    plus_value(loss, o.loss, weight);
}

static Node *simnpo_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    plus_simnpo(&loss, ROLE_FORGET, s->hyper->gamma);
    plus_optional_ce(&loss, ROLE_RETAIN, s->hyper->alpha);
    return loss.sum;
}

const Method method_simnpo = {
    .name = "simnpo", .label = "SimNPO",
    .source = "Fan et al. 2024 (SimNPO), the paper's gamma is beta delta here; open-unlearning",
    .formula = { .loss = "L = gamma k m + alpha CE(retain), m = mean_i log sigmoid(u_i), k = RN(-2/beta), u_i = beta (CE_i - "
                         "delta)",
                 .gradient = "dL/dz = c_i (p - e_y), c_i = -2 gamma w_i/(B T_i), w_i = sigmoid(-u_i), on forget, "
                             "c = alpha/N on retain" },
    .defaults = "beta=4.5 gamma=0.125",
    .needs = NEEDS_FORGET | NEEDS_RETAIN | RETAIN_IF_ALPHA, .by_sequence = true, .loss = simnpo_loss,
};
