/* SPDX-License-Identifier: MIT */
/* Cross-entropy with a target distribution q, in which the label has lost most or all of its probability (undial,
 * ce_u).
 *
 *     L = gamma sum_t sum_v q_v (-log p_v) / N + alpha CE(retain), where no gradient flows through q
 *     undial   q = softmax(z_ref - beta e_y)                 Dong et al. 2024
 *     ce_u     q = softmax(z), z = -infinity at the label    Yang 2025
 *
 * open-unlearning's undial also distils positions without a label, because the label -100 wraps around to a
 * vocabulary entry; here they are left out. Its ce_u leaves the first token of an answer alone (skip_first = yes). */
#include <math.h>
#include "tensor/ops.h"
#include "unlearn/terms/terms.h"

/* The part without the first row of each sample, or the whole part if that leaves no row. */
static Part without_first(MethodStep *s, const Part *p)
{
    bool *keep = arena_array(s->tape->arena, p->rows, sizeof *keep);
    if (!keep || p->rows == p->samples)
        return *p;
    for (size_t i = 0; i < p->samples; i++)
        for (int32_t r = p->offsets[i]; r < p->offsets[i + 1]; r++)
            keep[r] = r > p->offsets[i];
    return part_choose(s, p, keep);
}

static Node *undial_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    const Part *f = &s->part[ROLE_FORGET];
    if (has(s, ROLE_FORGET)) {
        Node *lowered = op_axpy(s->tape, f->z_ref, at_labels(s, f, "label", 1), -s->hyper->beta);
        plus_target_ce(&loss, f, op_softmax(s->tape, lowered), s->hyper->gamma);
    }
    plus_optional_ce(&loss, ROLE_RETAIN, s->hyper->alpha);
    return loss.sum;
}

/* q is the softmax of logits in which the label's logit is -infinity, so q is finite even where p_y rounds to 1. */
static Node *ce_u_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    const Part *all = &s->part[ROLE_FORGET];
    if (has(s, ROLE_FORGET) && !s->tape->error->failed) {
        Part f = s->hyper->skip_first ? without_first(s, all) : *all;
        Node *others = op_add(s->tape, f.z, at_labels(s, &f, "label", -INFINITY));
        plus_target_ce(&loss, &f, op_softmax(s->tape, others), s->hyper->gamma);
    }
    plus_optional_ce(&loss, ROLE_RETAIN, s->hyper->alpha);
    return loss.sum;
}

#define TARGET_CE "L = gamma CE_q(forget) + alpha CE(retain), CE_q = RN(sum_t RN(sum_v q_v (0 - log p_v)) / N), "
#define TARGET_GRADIENT "dL/dz = c (p - q), c = gamma/N, on forget, c (p - e_y), c = alpha/N, on retain"

const Method method_undial = {
    .name = "undial", .label = "UNDIAL", .source = "Dong et al. 2024 (UNDIAL); open-unlearning, except for its labels of -100",
    .formula = { .loss = TARGET_CE "q = softmax(z_ref - beta e_y)", .gradient = TARGET_GRADIENT },
    .defaults = "beta=10 alpha=0",
    .needs = NEEDS_FORGET | NEEDS_RETAIN | RETAIN_IF_ALPHA | REFERENCE_FORGET, .loss = undial_loss,
};

const Method method_ce_u = {
    .name = "ce_u", .label = "CE-U",
    .source = "Yang 2025 (CE-U); open-unlearning (skip_first = yes: an answer's first token is left alone, "
              "where it has more than one)",
    .formula = { .loss = TARGET_CE "q = softmax(z with -inf at y), no gradient through q", .gradient = TARGET_GRADIENT },
    .defaults = "alpha=0",
    .needs = NEEDS_FORGET | NEEDS_RETAIN | RETAIN_IF_ALPHA, .loss = ce_u_loss,
};
