/* SPDX-License-Identifier: MIT */
/* Representation misdirection: forget states are steered to a random direction, retain states held where they were. */
#include "tensor/ops.h"
#include "tensor/base/random.h"
#include "unlearn/method.h"

/* The direction itself: U[0,1)^C of purpose "unlearn.rmu", so it can be published and drawn again. */
static bool rmu_begin(const Hyperparameters *v, const Model *m, Arena *a, const void **state, Error *e)
{
    size_t c = (size_t)m->config.text.hidden_size;
    float *u = arena_array(a, c, sizeof *u);
    Random r = random_for((uint64_t)v->seed, "unlearn.rmu");
    if (!u)
        return error_set(e, "rmu: no memory for the direction");
    for (size_t k = 0; k < c; k++)
        u[k] = random_uniform(r, k);
    *state = u;
    return true;
}

/* weight/(R C) sum (h - aim)^2:  D = RN(h - aim), S = RN(sum D^2), RN(S / (R C)); dL/dh = RN(2 weight D / (R C)). */
static Node *distance(MethodStep *s, const Part *p, Node *aim, float weight)
{
    Tape *t = s->tape;
    Node *d = op_sub(t, p->h, aim);
    float n = d ? (float)shape_size(d->out.shape) : 1;
    tape_seed(t, p->h, op_ratio(t, d, 2 * weight, n));
    return op_ratio(t, op_square_sum(t, d), 1, n);
}

/* RN(c u / |u|), the same for every row. */
static Node *direction(MethodStep *s, const Part *f)
{
    Tape *t = s->tape;
    if (!f->h)
        return NULL;
    size_t c = shape_cols(f->h->out.shape);
    Node *u = tape_input(t, "rmu.direction", tensor_view((float *)(uintptr_t)s->state, shape_of(1, c)));
    Node *norm = op_square_norm(t, 1, &u);
    return norm ? op_broadcast_rows(t, op_ratio(t, u, s->v->steering, norm->out.f32[0]), f->rows) : NULL;
}

static Node *rmu_loss(MethodStep *s)
{
    const Part *f = &s->part[ROLE_FORGET], *r = &s->part[ROLE_RETAIN];
    Node *loss = NULL;
    if (has(s, ROLE_FORGET))
        loss = loss_add(s, NULL, distance(s, f, direction(s, f), s->v->gamma), s->v->gamma);
    if (has(s, ROLE_RETAIN))
        loss = loss_add(s, loss, distance(s, r, r->h_ref, s->v->alpha), s->v->alpha);
    return loss;
}

const Method method_rmu = {
    .name = "rmu", .source = "Li et al. 2024 (WMDP); open-unlearning (layer 7, c = 2)",
    .formula = "L = gamma E(h, t)(forget) + alpha E(h, h_ref)(retain), E = RN(RN(sum D^2) / (R C)), D = h - its aim, over the R supervised rows of hidden "
               "state `layer`, t = RN(steering u / RN|u|), u uniform from `seed`;  dL/dh = RN(2 gamma D/(R C)), RN(2 alpha D/(R C))",
    .needs = NEEDS_FORGET | NEEDS_RETAIN | REFERENCE_RETAIN | NEEDS_HIDDEN | NEEDS_VECTOR, .begin = rmu_begin, .loss = rmu_loss,
};
