/* SPDX-License-Identifier: MIT */
/* AdaPop: weighted gradient ascent whose exponent is small for what the model was often shown, and a retain weight that
 * grows with the drift of the retain loss.
 *
 *     L = -gamma sum_t p_y^beta_i nll_t / N + (alpha + lambda_k) CE(retain), where no gradient flows through p_y^beta_i
 *     beta_i = clip(58.7 s_i^-0.796, 0.05, 2)                              the authors of DUET (2026)
 *     lambda <- clip(lambda + dual_step (delta_k - drift_limit), 0, 5) after epoch k
 *
 * dual_step and drift_limit are 0.1 by default. s_i is the popularity of a fact: here it is 28 times the exposures of
 * sample i in pre-training, so that 256 exposures give a beta_i of 0.0501, just above its lower limit. What was learnt
 * in fine-tuning alone has beta_i = 2. The drift delta_k is the mean retain loss of the steps of epoch k minus the
 * retain loss of the first step. The definitions of s_i and delta_k, and lambda = 0 at the start, are our own
 * choices. */
#include "unlearn/terms/terms.h"

/* Places of MethodStep.memory. AT_START is CE(retain) of the first step; SUM and STEPS give its mean over EPOCH. */
enum { STARTED, LAMBDA, AT_START, SUM, STEPS, EPOCH };

static float clip(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

/* The lambda of this epoch. At the first step of an epoch, the drift of the epoch before changes it. ce is CE(retain)
 * of this step. */
static float lambda_of(MethodStep *s, float ce)
{
    float *m = s->memory;
    if (m[STARTED] == 0) {
        m[STARTED] = 1;
        m[LAMBDA] = s->hyper->lambda;
        m[AT_START] = ce;
        m[EPOCH] = (float)s->epoch;
    }
    if (m[EPOCH] < (float)s->epoch) {
        const float mean = m[SUM] / m[STEPS], drift = mean - m[AT_START], above = drift - s->hyper->drift_limit;
        const float climb = s->hyper->dual_step * above;
        m[LAMBDA] = clip(m[LAMBDA] + climb, 0, 5);
        m[SUM] = m[STEPS] = 0;
        m[EPOCH] = (float)s->epoch;
    }
    m[SUM] += ce;
    m[STEPS]++;
    return m[LAMBDA];
}

static Node *adapop_loss(MethodStep *s)
{
    Loss loss = { .step = s };
    const Part *r = &s->part[ROLE_RETAIN];
    plus_popular_ce(&loss, ROLE_FORGET, -s->hyper->gamma);
    Node *ce = has(s, ROLE_RETAIN) ? batch_ce(s, r, r->z) : NULL;
    if (ce) {
        const float alpha = s->hyper->alpha + lambda_of(s, ce->out.f32[0]);
        seed_label_all(s, r, alpha / (float)r->tokens);
        plus_value(&loss, ce, alpha);
    }
    return loss.sum;
}

const Method method_adapop = {
    .name = "adapop", .label = "AdaPop",
    .source = "the authors of DUET, 2026 (2602.19612): weights by popularity, and an adaptive retain weight",
    .formula = { .loss = "L = -gamma WCE(forget) + RN(alpha + lambda_k) CE(retain), WCE = RN(sum_t RN(w_t nll_t) / N), w_t = "
                         "e^RN(-beta_i nll_t), beta_i = clip(a_i, 0.05, 2), a_i = RN(58.7 RN(e^RN(-0.796 RN(log s_i)))), s_i = RN(28 "
                         "exposures), no gradient through w",
                 .gradient = "dL/dz = c_t (p - e_y), c_t = -gamma w_t/N on forget, RN(alpha + lambda_k)/N on retain",
                 .notes = "lambda begins as `lambda`; after epoch k it is clip(RN(lambda + RN(dual_step RN(delta_k - drift_limit))), "
                          "0, 5), delta_k = RN(mean of CE(retain) over its steps - CE(retain) of the first step); beta_i = 2 without "
                          "exposures" },
    .defaults = "lambda=0 alpha=0.5 dual_step=0.1", .needs = NEEDS_FORGET | NEEDS_RETAIN, .loss = adapop_loss,
};
