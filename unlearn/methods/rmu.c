/* SPDX-License-Identifier: MIT */
/* Representation misdirection (rmu): the hidden states of the forget set are steered to a random direction, and those
 * of the retain set are kept where the reference model has them.
 *
 *     L = gamma mean |h - t|^2 (forget) + alpha mean |h - h_ref|^2 (retain), t = steering_coeff u / |u|
 *
 * This is the form of Li et al. 2024 (WMDP). h is hidden state `layer` at the supervised positions, and u is uniform
 * on [0, 1)^C. The public codes draw u from a global generator; here it comes from `seed` and can be drawn again.
 * open-unlearning steers layer 7 with a coefficient of 2, and trains all weights. WMDP trains three matrices of three
 * layers. */
#include "tensor/base/random.h"
#include "unlearn/terms/steering.h"

static bool rmu_begin(const MethodRun *run, void **state)
{
    size_t c = (size_t)run->model->config.text.hidden_size;
    float *u = arena_array(run->arena, c, sizeof *u);
    Random r = random_for((uint64_t)run->hyper->seed, "unlearn.rmu");
    if (!u)
        return error_no_memory(run->error, "rmu: no memory for the direction");
    for (size_t k = 0; k < c; k++)
        u[k] = random_uniform(r, k);
    *state = u;
    return true;
}

static Node *rmu_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    const Part *f = &s->part[ROLE_FORGET], *r = &s->part[ROLE_RETAIN];
    if (has(s, ROLE_FORGET))
        plus_distance(&loss, f, steering_aim(s, f, s->state, s->hyper->steering_coeff), s->hyper->gamma);
    if (has(s, ROLE_RETAIN))
        plus_distance(&loss, r, r->h_ref, s->hyper->alpha);
    return loss.sum;
}

const Method method_rmu = {
    .name = "rmu", .label = "RMU", .source = "Li et al. 2024 (WMDP); open-unlearning (layer 7, steering_coeff 2)",
    .formula = { .loss = "L = gamma E(h, t)(forget) + alpha E(h, h_ref)(retain), E = RN(RN(sum D^2) / (R C)), D = h - its aim",
                 .gradient = "dL/dh = RN(2 gamma D/(R C)) on forget, RN(2 alpha D/(R C)) on retain",
                 .notes = "The states h are the R supervised rows of hidden state `layer`; t = RN(steering_coeff u / RN|u|), "
                          "u uniform from `seed`" },
    .needs = NEEDS_FORGET | NEEDS_RETAIN | REFERENCE_RETAIN | NEEDS_HIDDEN | NEEDS_VECTOR, .begin = rmu_begin, .loss = rmu_loss,
};
