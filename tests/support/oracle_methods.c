/* SPDX-License-Identifier: MIT */
/* The file is longer than 400 lines, because it holds the operations of each method together with the terms that
 * several methods share. */
#include "tests/support/oracle_methods.h"

#include <math.h>
#include <string.h>
#include "tests/support/oracle.h"
#include "tests/support/oracle_softmax.h"

enum { V = CASE_V, PRECISION = 1200 };          // sums of floats are exact, and no quotient is near a midpoint

/* base + s x / den, rounded once. */
static float rounded_once(float base, float s, float x, float den)
{
    mpfr_t y, t;
    mpfr_inits2(PRECISION, y, t, (mpfr_ptr)0);
    mpfr_set_flt(y, s, MPFR_RNDN);
    mpfr_mul_d(y, y, x, MPFR_RNDN);
    mpfr_div_d(y, y, den, MPFR_RNDN);
    mpfr_set_flt(t, base, MPFR_RNDN);
    if (base != 0)
        mpfr_add(y, y, t, MPFR_RNDN);
    float out = oracle_float(y);
    mpfr_clears(y, t, (mpfr_ptr)0);
    return out;
}

float mul_mpfr(float a, float b) { return rounded_once(0, a, b, 1); }
float axpy_mpfr(float base, float x, float s) { return rounded_once(base, s, x, 1); }
float ratio_mpfr(float x, float num, float den) { return rounded_once(0, num, x, den); }

float mean_mpfr(const float *x, size_t count, size_t n)
{
    mpfr_t sum;
    mpfr_init2(sum, PRECISION);
    mpfr_set_zero(sum, 1);
    for (size_t k = 0; k < count; k++)
        mpfr_add_d(sum, sum, x[k], MPFR_RNDN);
    mpfr_div_ui(sum, sum, n, MPFR_RNDN);
    float out = mpfr_zero_p(sum) ? 0 : oracle_float(sum);
    mpfr_clear(sum);
    return out;
}

static float sub(float a, float b) { return axpy_mpfr(a, b, -1); }
static float scalar(const char *name, float x) { return oracle_scalar_value(name, x); }

static float nll(const float *z, int32_t y)
{
    float l[V];
    if (y < 0)
        return 0;
    softmax_mpfr(z, V, NULL, l);
    return -l[y];
}

static void nlls(const CaseRole *r, const float *z, float *out)
{
    for (size_t k = 0; k < r->rows; k++)
        out[k] = nll(z + k * V, r->labels[k]);
}

static float ce(const CaseRole *r, const float *z)
{
    float each[CASE_ROWS];
    nlls(r, z, each);
    return mean_mpfr(each, r->rows, r->tokens);
}

/* The NLL of each sample, or with `mean` its CE. */
static void per_sample(const CaseRole *r, const float *z, bool mean, float *out)
{
    float each[CASE_ROWS];
    nlls(r, z, each);
    for (size_t i = 0; i < r->samples; i++) {
        size_t n = (size_t)(r->offsets[i + 1] - r->offsets[i]);
        out[i] = mean_mpfr(each + r->offsets[i], n, mean ? n : 1);
    }
}

/* --- contributions to dL/dz: each is one more entry of parts. p is the softmax of a row of logits, and e_y is 1 at
 * the row's label and 0 elsewhere. --- */

/* c_k (p - e_y) for each row k that has a label, and 0 for the others. */
static void push_label(CaseRole *r, const float *c)
{
    float *to = r->parts[r->count++], p[V];
    for (size_t k = 0; k < r->rows; k++) {
        softmax_mpfr(r->z + k * V, V, p, NULL);
        for (int32_t v = 0; v < V; v++)
            to[k * V + (size_t)v] = r->labels[k] < 0 ? 0 : logit_grad_mpfr(c[k], p[v], v == r->labels[k] ? 1 : 0);
    }
}

static void push_label_all(CaseRole *r, float c)
{
    float all[CASE_ROWS];
    for (size_t k = 0; k < r->rows; k++)
        all[k] = c;
    push_label(r, all);
}

/* c_i (p - e_y) for all rows of sample i that have a label. */
static void push_label_samples(CaseRole *r, const float *c)
{
    float all[CASE_ROWS];
    for (size_t i = 0; i < r->samples; i++)
        for (int32_t k = r->offsets[i]; k < r->offsets[i + 1]; k++)
            all[k] = c[i];
    push_label(r, all);
}

/* c (p - q) for the rows of each sample, and 0 for its first `skip` rows. */
static void push_target(CaseRole *r, const float *q, float c, int32_t skip)
{
    float *to = r->parts[r->count++], p[V];
    memset(to, 0, sizeof r->parts[0]);
    for (size_t i = 0; i < r->samples; i++)
        for (int32_t k = r->offsets[i] + skip; k < r->offsets[i + 1]; k++) {
            softmax_mpfr(r->z + k * V, V, p, NULL);
            for (size_t v = 0; v < V; v++)
                to[(size_t)k * V + v] = logit_grad_mpfr(c, p[v], q[(size_t)k * V + v]);
        }
}

/* --- terms: their value, and weight times their gradient --- */

static float term_ce(CaseRole *r, float weight)
{
    push_label_all(r, ratio_mpfr(1, weight, (float)r->tokens));
    return ce(r, r->z);
}

/* The row z of logits, divided by the temperature. */
static void cool(const float *z, const Hyperparameters *v, float *out)
{
    for (size_t j = 0; j < V; j++)
        out[j] = v->temperature == 1 ? z[j] : ratio_mpfr(z[j], 1, v->temperature);
}

/* KL at a temperature, or KL(p || p_ref): the value, and weight times the gradient. */
static float term_kl_variant(CaseRole *r, const Hyperparameters *v, float weight, size_t n)
{
    const float T = v->temperature, scale = mul_mpfr(weight, T), c = ratio_mpfr(1, scale, (float)n);
    float each[CASE_ROWS], x[V], p[V], l[V], q[V], lq[V], a[V], *to = r->parts[r->count++];
    for (size_t k = 0; k < r->rows; k++) {
        cool(r->z + k * V, v, x);
        softmax_mpfr(x, V, p, l);
        cool(r->ref + k * V, v, x);
        softmax_mpfr(x, V, q, lq);
        each[k] = v->kl_direction == KL_REVERSE ? kl_mpfr(p, l, lq, V) : kl_mpfr(q, lq, l, V);
        for (size_t j = 0; j < V; j++)
            a[j] = ratio_mpfr(sub(l[j], lq[j]), scale, (float)n);
        if (v->kl_direction == KL_REVERSE)
            softmax_grad_mpfr(p, a, V, to + k * V);
        for (size_t j = 0; j < V && v->kl_direction == KL_FORWARD; j++)
            to[k * V + j] = logit_grad_mpfr(c, p[j], q[j]);
    }
    const float value = mean_mpfr(each, r->rows, n);
    return T == 1 ? value : mul_mpfr(mul_mpfr(T, T), value);
}

static float term_kl(CaseRole *r, const Hyperparameters *v, float weight)
{
    float each[CASE_ROWS], q[CASE_ROWS * V], lr[V], l[V];
    size_t n = v->kl_norm == KL_BATCH ? r->samples : v->kl_norm == KL_ALL_POSITIONS ? r->rows : r->tokens;
    if (v->temperature != 1 || v->kl_direction == KL_REVERSE)
        return term_kl_variant(r, v, weight, n);
    for (size_t k = 0; k < r->rows; k++) {
        const float *z = r->z + k * V, *ref = r->ref + k * V;
        softmax_mpfr(ref, V, q + k * V, lr);
        softmax_mpfr(z, V, NULL, l);
        for (size_t j = 0; j < V && v->klr == KLR_MUSE_RAW; j++)
            q[k * V + j] = scalar("exp", ref[j]);
        each[k] = v->klr == KLR_MUSE_RAW ? kl_mpfr(q + k * V, ref, z, V) : kl_mpfr(q + k * V, lr, l, V);
    }
    if (v->klr == KLR_MUSE_RAW) {
        float *to = r->parts[r->count++];
        for (size_t k = 0; k < r->rows * V; k++)
            to[k] = ratio_mpfr(q[k], -weight, (float)n);
    } else
        push_target(r, q, ratio_mpfr(1, weight, (float)n), 0);
    return mean_mpfr(each, r->rows, n);
}

/* -(scale/beta) mean log sigmoid(beta d), w = sigmoid(-beta d) */
static float log_odds_mpfr(const float *d, size_t n, const Hyperparameters *v, float scale, float *w)
{
    float s[CASE_ROWS * V];
    for (size_t k = 0; k < n; k++) {
        float u = mul_mpfr(v->beta, d[k]);
        s[k] = scalar("log_sigmoid", u);
        w[k] = scalar("sigmoid", -u);
    }
    return mul_mpfr(ratio_mpfr(1, -scale, v->beta), mean_mpfr(s, n, n));
}

/* d of each sample: its NLL less its NLL by the reference. */
static void differences(const CaseRole *r, float *d)
{
    float ref[4];
    per_sample(r, r->z, false, d);
    per_sample(r, r->ref, false, ref);
    for (size_t i = 0; i < r->samples; i++)
        d[i] = sub(d[i], ref[i]);
}

static float term_npo(CaseRole *f, const Hyperparameters *v, float gamma)
{
    float d[CASE_ROWS * V] = { 0 }, w[CASE_ROWS * V], c[4], loss;
    if (v->npo_ratio == NPO_RAW_LOGITS) {
        size_t n = f->rows * V;
        for (size_t k = 0; k < n; k++)
            d[k] = sub(f->ref[k], f->z[k]);
        loss = log_odds_mpfr(d, n, v, 2, w);
        float *to = f->parts[f->count++];
        for (size_t k = 0; k < n; k++)
            to[k] = ratio_mpfr(w[k], 2 * gamma, (float)n);
        return loss;
    }
    if (v->npo_ratio == NPO_BATCH_MEAN) {
        d[0] = sub(ce(f, f->z), ce(f, f->ref));
        loss = log_odds_mpfr(d, 1, v, 2, w);
        push_label_all(f, ratio_mpfr(w[0], -2 * gamma, (float)f->tokens));
        return loss;
    }
    differences(f, d);
    loss = log_odds_mpfr(d, f->samples, v, 2, w);
    for (size_t i = 0; i < f->samples; i++)
        c[i] = ratio_mpfr(w[i], -2 * gamma, (float)f->samples);
    push_label_samples(f, c);
    return loss;
}

static float term_dpo(CaseRole *lose, CaseRole *win, const Hyperparameters *v)
{
    float a[4], b[4], m[4], w[4], up[4], down[4];
    differences(lose, a);
    differences(win, b);
    for (size_t i = 0; i < lose->samples; i++)
        m[i] = sub(a[i], b[i]);
    float loss = log_odds_mpfr(m, lose->samples, v, v->dpo_scale, w);
    for (size_t i = 0; i < lose->samples; i++) {
        up[i] = ratio_mpfr(w[i], -mul_mpfr(v->dpo_scale, v->gamma), (float)lose->samples);
        down[i] = -up[i];
    }
    push_label_samples(lose, up);
    push_label_samples(win, down);
    return loss;
}

static float term_simnpo(CaseRole *f, const Hyperparameters *v)
{
    float d[4], w[4], c[4];
    per_sample(f, f->z, true, d);
    for (size_t i = 0; i < f->samples; i++)
        d[i] = sub(d[i], v->delta);
    float loss = log_odds_mpfr(d, f->samples, v, 2, w);
    for (size_t i = 0; i < f->samples; i++)
        c[i] = ratio_mpfr(w[i], -2 * v->gamma, (float)((int32_t)f->samples * (f->offsets[i + 1] - f->offsets[i])));
    push_label_samples(f, c);
    return loss;
}

static float term_weighted(CaseRole *f, const Hyperparameters *v, bool satimp)
{
    float n[CASE_ROWS], w[CASE_ROWS], c[CASE_ROWS], wn[CASE_ROWS];
    nlls(f, f->z, n);
    for (size_t k = 0; k < f->rows; k++) {
        w[k] = scalar("exp", mul_mpfr(-v->beta, n[k]));
        if (satimp && v->beta2 > 0)
            w[k] = mul_mpfr(w[k], scalar("exp", mul_mpfr(v->beta2, scalar("log", sub(1, scalar("exp", -n[k]))))));
        c[k] = ratio_mpfr(w[k], -v->gamma, (float)f->tokens);
        wn[k] = mul_mpfr(w[k], n[k]);
    }
    push_label(f, c);
    return mean_mpfr(wn, f->rows, f->tokens);
}

/* The cross-entropy -sum q log p with a target q. For undial the target is the softmax of the reference, with beta
 * subtracted from the label's logit. For ce_u it is the softmax of the model's own logits without that of the label. */
static float term_aim(CaseRole *f, const Hyperparameters *v, bool undial)
{
    float q[CASE_ROWS * V] = { 0 }, each[CASE_ROWS], l[V], zero[V] = { 0 }, t[V];
    int32_t skip = !undial && v->skip_first;
    size_t n = f->rows - (skip ? f->samples : 0), used = 0;
    for (size_t i = 0; i < f->samples; i++)
        for (int32_t k = f->offsets[i] + skip; k < f->offsets[i + 1]; k++) {
            size_t y = (size_t)f->labels[k];
            memcpy(t, (undial ? f->ref : f->z) + k * V, sizeof t);
            t[y] = undial ? axpy_mpfr(t[y], 1, -v->beta) : -INFINITY;
            softmax_mpfr(t, V, q + k * V, NULL);
            softmax_mpfr(f->z + k * V, V, NULL, l);
            each[used++] = kl_mpfr(q + k * V, zero, l, V);
        }
    push_target(f, q, ratio_mpfr(1, v->gamma, (float)n), skip);
    return mean_mpfr(each, used, n);
}

/* The sum of the squares of x, or with `root` its square root, rounded once. */
static float square_sum(const float *x, size_t n, bool root);

/* The mean of d^2 over the n rows that forget_rows chooses. In a row, d is the largest logit minus the mean, and the
 * gradient is -2 gamma d / n (u - e), where u is uniform and e is 1 at the largest logit. */
static float term_pdu(CaseRole *f, const Hyperparameters *v)
{
    float d[CASE_ROWS], u[V], zero[V] = { 0 }, *to = f->parts[f->count++];
    int32_t row[CASE_ROWS];
    size_t n = 0;
    softmax_mpfr(zero, V, u, NULL);
    for (size_t i = 0; i < f->samples; i++)
        for (int32_t k = f->offsets[i]; k < f->offsets[i + 1]; k++)
            if (v->forget_rows == ROWS_OF_ALL || (v->forget_rows == ROWS_SHIFTED && f->labels[k] >= 0)
                || (v->forget_rows == ROWS_UNSHIFTED && k > f->offsets[i] && f->labels[k - 1] >= 0))
                row[n++] = k;
    for (size_t i = 0; i < n; i++) {
        const float *z = f->z + row[i] * V;
        size_t most = 0;
        for (size_t j = 1; j < V; j++)
            most = z[j] > z[most] ? j : most;
        d[i] = sub(z[most], mean_mpfr(z, V, V));
        for (size_t j = 0; j < V; j++)
            to[(size_t)row[i] * V + j] = logit_grad_mpfr(ratio_mpfr(d[i], -2 * v->gamma, (float)n), u[j], j == most);
    }
    return ratio_mpfr(square_sum(d, n, false), 1, (float)n);
}

/* The weighted cross-entropy of adapop; the constants are those of unlearn/methods/adapop.c. */
static float term_popular(CaseRole *f, const Hyperparameters *v)
{
    float n[CASE_ROWS], w[CASE_ROWS], c[CASE_ROWS], wn[CASE_ROWS];
    float beta = v->exposures ? mul_mpfr(58.7f, scalar("exp", mul_mpfr(-0.796f, scalar("log", 28 * (float)v->exposures)))) : 2;
    beta = beta < 0.05f ? 0.05f : beta > 2 ? 2 : beta;
    nlls(f, f->z, n);
    for (size_t k = 0; k < f->rows; k++) {
        w[k] = scalar("exp", -mul_mpfr(beta, n[k]));
        c[k] = ratio_mpfr(w[k], -v->gamma, (float)f->tokens);
        wn[k] = mul_mpfr(w[k], n[k]);
    }
    push_label(f, c);
    return mean_mpfr(wn, f->rows, f->tokens);
}

static bool labelled(const CaseRole *r, size_t sample, int32_t id)
{
    for (int32_t k = r->offsets[sample]; k < r->offsets[sample + 1]; k++)
        if (r->labels[k] == id)
            return true;
    return false;
}

/* The KL of siu with its two masks. r holds the alternates, and sample i of `concept` is the forget sample of alternate
 * i. A row of the alternate counts only if its label is also a label of that forget sample. An id is masked if it is a
 * label of the forget sample, and no label of the alternate. */
static float term_masked_kl(const CaseRole *concept, CaseRole *r, const Hyperparameters *v)
{
    float each[CASE_ROWS], p[V], l[V], q[V], lq[V], w[V], masked[V], *to = r->parts[r->count++];
    const size_t n = v->kl_norm == KL_BATCH ? r->samples : r->tokens;
    for (size_t i = 0; i < r->samples; i++)
        for (int32_t k = r->offsets[i]; k < r->offsets[i + 1]; k++) {
            const float *z = r->z + k * V, *ref = r->ref + k * V;
            const bool kept = labelled(concept, i, r->labels[k]);
            softmax_mpfr(z, V, p, l);
            softmax_mpfr(ref, V, w, lq);
            for (int32_t j = 0; j < V; j++) {
                const bool hidden = labelled(concept, i, j) && !labelled(r, i, j);
                masked[j] = hidden ? -INFINITY : ref[j];
                w[j] = hidden ? 0 : w[j];
            }
            softmax_mpfr(masked, V, q, NULL);
            each[k] = kept ? kl_mpfr(w, lq, l, V) : 0;
            const float c = kept ? ratio_mpfr(mean_mpfr(w, V, 1), v->lambda, (float)n) : 0;
            for (size_t j = 0; j < V; j++)
                to[k * V + (int32_t)j] = logit_grad_mpfr(c, p[j], q[j]);
        }
    return mean_mpfr(each, r->rows, n);
}

/* --- methods --- */

/* Returns the value of term `place` (0, 1 or 2) of the method's loss, sets *weight, and adds weight times the gradient
 * of the term. *there is set if the method and the step have this term. */
static float term(const char *name, MethodCase *c, int place, float *weight, bool *there)
{
    const Hyperparameters *v = &c->v;
    CaseRole *f = &c->role[ROLE_FORGET], *r = &c->role[ROLE_RETAIN], *refusal = &c->role[ROLE_REFUSAL], *alt = &c->role[ROLE_ALTERNATE],
             *random = &c->role[ROLE_RANDOM];
#define TERM(w, role, value) do { *weight = (w); if (!(role)->samples || *weight == 0) break; *there = true; return (value); } while (0)
#define IS(word) (strcmp(name, word) == 0)
    if (place == 0) {
        if (IS("ga") || IS("ga_klr")) TERM(-1, f, term_ce(f, -1));
        if (IS("grad_diff") || IS("kl_min") || IS("mmunlearner") || IS("llmu")) TERM(-v->gamma, f, term_ce(f, -v->gamma));
        if (IS("npo")) TERM(1, f, term_npo(f, v, 1));
        if (IS("npo_gd") || IS("npo_kl")) TERM(v->gamma, f, term_npo(f, v, v->gamma));
        if (IS("idk") || IS("smfa") || IS("adapters")) TERM(v->gamma, refusal, term_ce(refusal, v->gamma));
        if (IS("dpo")) TERM(v->gamma, f, term_dpo(f, refusal, v));
        if (IS("altpo")) TERM(v->gamma, f, term_dpo(f, alt, v));
        if (IS("simnpo")) TERM(v->gamma, f, term_simnpo(f, v));
        if (IS("wga") || IS("satimp")) TERM(-v->gamma, f, term_weighted(f, v, IS("satimp")));
        if (IS("undial") || IS("ce_u")) TERM(v->gamma, f, term_aim(f, v, IS("undial")));
        if (IS("task_vector")) TERM(1, f, term_ce(f, 1));
        if (IS("cmju")) TERM(-1, f, term_ce(f, -1));
        if (IS("pdu")) TERM(v->gamma, f, term_pdu(f, v));
        if (IS("adapop")) TERM(-v->gamma, f, term_popular(f, v));
        if (IS("scrub")) TERM(-v->gamma, f, term_kl(f, v, -v->gamma));
        if (IS("siu")) TERM(v->alpha, alt, term_ce(alt, v->alpha));
        if (IS("o3")) TERM(v->gamma, random, term_ce(random, v->gamma));
    } else if (IS("cmju")) {
        if (place == 1) TERM(-1, &c->role[ROLE_FORGET_TEXT], term_ce(&c->role[ROLE_FORGET_TEXT], -1));
        if (place == 2) TERM(v->alpha, r, term_ce(r, v->alpha));
    } else if (place == 1) {
        if (IS("retrain") || IS("retain_ft")) TERM(1, r, term_ce(r, 1));
        if (IS("llmu") && v->answers == ANSWERS_REFUSAL) TERM(v->alpha, refusal, term_ce(refusal, v->alpha));
        if (IS("llmu")) TERM(v->alpha, random, term_ce(random, v->alpha));
        if (IS("siu")) TERM(v->lambda, alt, term_masked_kl(f, alt, v));
        if (IS("pdu")) TERM(v->alpha, r, sub(term_ce(r, v->alpha), v->retain_limit));
        if (IS("adapop")) TERM(v->alpha + v->lambda, r, term_ce(r, v->alpha + v->lambda));
        if (!IS("o3") && !IS("llmu") && !IS("siu") && !IS("ga") && !IS("ga_klr") && !IS("npo") && !IS("npo_kl")
            && !IS("task_vector"))
            TERM(v->alpha, r, term_ce(r, v->alpha));
    } else if (IS("ga_klr") || IS("kl_min") || IS("npo_kl") || IS("scrub") || IS("llmu"))
        TERM(v->lambda, r, term_kl(r, v, v->lambda));
    return 0;
}

bool method_mpfr(const char *method, MethodCase *c, float *loss)
{
    bool any = false;
    for (int k = 0; k < ROLE_COUNT; k++) {
        c->role[k].count = 0;
        memset(c->role[k].parts, 0, sizeof c->role[k].parts);
    }
    for (int place = 0; place < 3; place++) {
        bool there = false;
        float weight, value = term(method, c, place, &weight, &there);
        if (there)
            *loss = any ? axpy_mpfr(*loss, value, weight) : mul_mpfr(weight, value);
        any |= there;
    }
    for (int k = 0; k < ROLE_COUNT; k++)
        for (size_t i = 0; i < c->role[k].rows * V; i++)
            c->role[k].want[i] = c->role[k].count < 2 ? c->role[k].parts[0][i]
                                                      : axpy_mpfr(c->role[k].parts[0][i], c->role[k].parts[1][i], 1);
    return any;
}

/* --- on hidden states --- */

static float square_sum(const float *x, size_t n, bool root)
{
    mpfr_t sum, t;
    mpfr_inits2(PRECISION, sum, t, (mpfr_ptr)0);
    mpfr_set_zero(sum, 1);
    for (size_t k = 0; k < n; k++) {
        mpfr_set_flt(t, x[k], MPFR_RNDN);
        mpfr_sqr(t, t, MPFR_RNDN);
        mpfr_add(sum, sum, t, MPFR_RNDN);
    }
    if (root)
        mpfr_sqrt(sum, sum, MPFR_RNDN);
    float out = mpfr_zero_p(sum) ? 0 : oracle_float(sum);
    mpfr_clears(sum, t, (mpfr_ptr)0);
    return out;
}

/* E = RN(RN(sum D^2) / (R C)) with D = RN(h - aim), and dL/dh = RN(2 weight D / (R C)), for R rows of C numbers. RN
 * rounds to the nearest float. All rows have one aim, or each has its own. */
static float distance(CaseRole *r, const float *aim, bool one, float weight)
{
    float d[CASE_ROWS * V], n = (float)(r->rows * V);
    for (size_t k = 0; k < r->rows * V; k++) {
        float to = aim[one ? k % V : k];
        d[k] = r->z[k] == to ? r->z[k] - to : sub(r->z[k], to);       // the signs of zero are those of IEEE 754
        r->want[k] = ratio_mpfr(d[k], 2 * weight, n);
    }
    return ratio_mpfr(square_sum(d, r->rows * V, false), 1, n);
}

float rmu_mpfr(MethodCase *c, const float *u)
{
    float aim[V], norm = square_sum(u, V, true);
    for (size_t k = 0; k < V; k++)
        aim[k] = ratio_mpfr(u[k], c->v.steering_coeff, norm);
    float forget = distance(&c->role[ROLE_FORGET], aim, true, c->v.gamma);
    CaseRole *r = &c->role[ROLE_RETAIN];
    return axpy_mpfr(mul_mpfr(c->v.gamma, forget), distance(r, r->ref, false, c->v.alpha), c->v.alpha);
}
