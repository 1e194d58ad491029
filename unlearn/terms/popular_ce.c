/* SPDX-License-Identifier: MIT */
/* A weighted cross-entropy (adapop): the more rarely the model was shown a fact, the smaller are the weights of the
 * fact's tokens. */
#include "tensor/ops.h"
#include "unlearn/terms/terms.h"

/* How often pre-training showed the fact of sample i: what the sample says, or else the hyperparameter. */
static int64_t exposures_of(const MethodStep *s, const Part *p, size_t i)
{
    const int64_t known = s->run && p->places ? s->run->role[ROLE_FORGET].list[p->places[i]].exposures : 0;
    return known ? known : s->hyper->exposures;
}

static float clip(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

/* beta_i [B]: RN(58.7 RN(e^RN(-0.796 RN(log RN(28 exposures))))), clipped to 0.05 … 2; without exposures it is 2. */
static Node *exponents(MethodStep *s, const Part *p)
{
    Tape *t = s->tape;
    Tensor popularity = tensor_f32(t->arena, shape_of(1, p->samples)),
        beta = tensor_f32(t->arena, shape_of(1, p->samples));
    if (!popularity.f32 || !beta.f32)
        return NULL;
    for (size_t i = 0; i < p->samples; i++)
        popularity.f32[i] = exposures_of(s, p, i) ? 28 * (float)exposures_of(s, p, i) : 1;
    Node *log_s = op_log(t, tape_input(t, "popularity", popularity));
    Node *a = op_scale(t, op_exp(t, op_scale(t, log_s, -0.796f)), 58.7f);
    for (size_t i = 0; a && i < p->samples; i++)
        beta.f32[i] = clip(a->out.f32[i], 0.05f, 2);
    return a ? tape_input(t, "beta", beta) : NULL;
}

void plus_popular_ce(Loss *loss, Role role, float weight)
{
    MethodStep *s = loss->step;
    Tape *t = s->tape;
    const Part *p = &s->part[role];
    if (!has(s, role))
        return;
    Node *beta = exponents(s, p);
    Node *nll = token_nll(s, p, p->z);
    Node *w = op_exp(t, op_scale(t, op_mul(t, rows_of_samples(s, p, beta), nll), -1));
    plus_weighted_ce(loss, p, nll, w, weight);
}
