/* SPDX-License-Identifier: MIT */
/* Bounds of the optimiser's operators. */
#include "tensor/bounds/rule.h"

static const double u = BOUND_U;

static void square_norm(Rule *r)      // sqrt(sum of n squares): half of what the sum is off
{
    double n = 0, carried = 0, y = (double)r->y[0];
    for (size_t k = 0; k < r->n->n_in; k++) {
        const Node *in = r->n->in[k];
        for (size_t i = 0; i < shape_size(in->out.shape); i++, n++)
            carried += size_of((double)in->out.f32[i]) * (double)r->bounds[in->id][i];
    }
    r->out[0] = y > 0 ? (n / 2 + 3) * u * y + carried / y : 0;
}

static void clip_factor(Rule *r)      // min(1, max / (norm + 1e-6))
{
    double norm = (double)r->x[0][0], k = (double)r->n->attrs.f[CLIP_FACTOR_MAX_NORM] / (norm + 1e-6), off = k * (4 * u + (double)r->b[0][0] / (norm + 1e-6));
    r->out[0] = k - off >= 1 ? 0 : off;
}

static void scaled_by(Rule *r)
{
    double s = (double)r->x[1][0], bs = (double)r->b[1][0];
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = size_of(s) * (double)r->b[0][i] + size_of((double)r->x[0][i]) * bs + u * size_of((double)r->y[i]);
}

static void moment(Rule *r)           // b m + (1 - b) g or g^2
{
    double b = (double)r->n->attrs.f[ADAM_M_BETA1];       // adam_v: ADAM_V_BETA2, the same place
    bool square = r->n->op->name[5] == 'v';
    for (size_t i = 0; i < r->size; i++) {
        double g = size_of((double)r->x[1][i]);
        r->out[i] = 4 * u * (b * size_of((double)r->x[0][i]) + (1 - b) * (square ? g * g : g))
                  + b * (double)r->b[0][i] + (1 - b) * (square ? 2 * g : 1) * (double)r->b[1][i];
    }
}

static void updated(Rule *r)          // p - lr (m/c1 / (sqrt(v/c2) + eps) + decay p)
{
    const Attrs *a = &r->n->attrs;
    for (size_t i = 0; i < r->size; i++) {
        double v = at_least((double)r->x[2][i], 0), bv = (double)r->b[2][i], m = size_of((double)r->x[1][i]) / a->d[ADAM_C1], p = size_of((double)r->x[0][i]), lr = (double)a->f[ADAM_LR];
        double root = __builtin_sqrt(v / a->d[ADAM_C2]), near = root > 0 ? bv / a->d[ADAM_C2] / (2 * root) : 1e300, far = __builtin_sqrt(bv / a->d[ADAM_C2]), low = root + (double)a->f[ADAM_EPS];
        r->out[i] = u * (2 * p + size_of((double)r->y[i])) + 10 * u * lr * (m / low + (double)a->f[ADAM_DECAY] * p) + (double)r->b[0][i]
                  + lr * ((double)r->b[1][i] / a->d[ADAM_C1] / low + m / low / low * (near < far ? near : far));
    }
}

static void descended(Rule *r)        // p - lr (g + decay p)
{
    double lr = (double)r->n->attrs.f[SGD_LR], decay = (double)r->n->attrs.f[SGD_DECAY];
    for (size_t i = 0; i < r->size; i++) {
        double p = size_of((double)r->x[0][i]), g = size_of((double)r->x[1][i]);
        r->out[i] = u * (2 * p + size_of((double)r->y[i])) + 4 * u * lr * (g + decay * p) + (double)r->b[0][i] + lr * (double)r->b[1][i];
    }
}

static void gathered_speed(Rule *r)   // momentum b + g
{
    double s = (double)r->n->attrs.f[MOMENTUM_MOMENTUM];
    for (size_t i = 0; i < r->size; i++)
        r->out[i] = 3 * u * (s * size_of((double)r->x[0][i]) + size_of((double)r->x[1][i])) + s * (double)r->b[0][i] + (double)r->b[1][i];
}

const RuleEntry bound_step_rules[] = {
    { "square_norm", square_norm }, { "clip_factor", clip_factor }, { "scale_by", scaled_by }, { "adam_m", moment }, { "adam_v", moment },
    { "adamw", updated }, { "adam", updated }, { "sgd", descended }, { "momentum", gathered_speed }, { NULL, NULL },
};
