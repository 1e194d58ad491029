/* SPDX-License-Identifier: MIT */
/* Losses with their known mistakes: the loss, and the gradients of the logits of one role. wrong_sums.c has those
 * that are sums of cross-entropies. */
#include <math.h>
#include <string.h>
#include "tests/support/wrong/wrong_role.h"

/* --- cross-entropy: L = sign sum nll / n --- */

static void cross_entropy(Wrong *w, const char *id, const char *role, double sign, const char *flag)
{
    Role r;
    if (!role_read(w, id, role, &r))
        return;
    bool shifted = strcmp(flag, "ShiftOff1") == 0;
    double n = strcmp(flag, "SumNotMean") == 0 ? 1
             : strcmp(flag, "PadInMean") == 0  ? (double)(r.samples * r.longest)
                                               : (double)(r.tokens - (shifted ? r.samples : 0));
    for (size_t b = 0; b < r.samples; b++)
        for (size_t i = (size_t)r.offset[b]; i < (size_t)r.offset[b + 1]; i++) {
            bool last = i + 1 == (size_t)r.offset[b + 1];
            if (shifted && last)
                continue;                     // labels are shifted a second time: each row gets that of the next row
            int32_t y = r.label[shifted ? i + 1 : i];
            r.loss -= sign * r.lp[i][y] / n;
            role_label_row(&r, i, y, sign / n);
        }
    role_answer(w, id, flag, role, &r);
}

/* The mistake also supervises rows without a label: those whose next token belongs to the picture and has the id v - 1
 * (ImageTokensInLoss), or those whose next token belongs to the prompt (PromptInLoss). */
static void mask(Wrong *w, const char *id, const char *flag)
{
    Role r;
    Store in = wrong_open(w, id);
    const Tensor *next = store_find(&in, "next.retain");
    if (!role_read(w, id, "retain", &r) || !next)
        return;
    for (size_t i = 0; i < r.rows; i++)
        if (r.label[i] < 0 && ((size_t)next->i32[i] == r.v - 1) == (flag[0] == 'I')) {
            r.label[i] = next->i32[i];
            r.tokens++;
        }
    for (size_t i = 0; i < r.rows; i++)
        if (r.label[i] >= 0) {
            r.loss -= r.lp[i][r.label[i]] / (double)r.tokens;
            role_label_row(&r, i, r.label[i], 1 / (double)r.tokens);
        }
    role_answer(w, id, flag, "retain", &r);
}

/* --- npo --- */

static double nll_difference(const Role *r, size_t from, size_t to)
{
    double d = 0;
    for (size_t i = from; i < to; i++)
        d += r->lq[i][r->label[i]] - r->lp[i][r->label[i]];
    return d;
}

static double log_sigmoid(double x) { return x < 0 ? x - log1p(exp(x)) : -log1p(exp(-x)); }

/* d is the NLL of a sample less its NLL by the reference. A wrong NPO of whole samples may differ from the right one in
 * the divisor of the mean over samples, the factor in factor / beta, the sign of beta d, whether the reference moves
 * with the model (tied), and whether d is divided by the tokens of the sample. */
typedef struct { double divisor, factor, sign; bool tied, per_token; } NpoForm;

static void npo_samples(Role *r, double beta, NpoForm f)
{
    const bool tied = f.tied;
    for (size_t b = 0; b < r->samples; b++) {
        double tokens = f.per_token ? (double)(r->offset[b + 1] - r->offset[b]) : 1, scale = f.sign * beta;
        double d = nll_difference(r, (size_t)r->offset[b], (size_t)r->offset[b + 1]) / tokens;
        double c = -f.sign * f.factor / (1 + exp(scale * d)) / f.divisor / tokens;
        r->loss += -f.factor / beta * log_sigmoid(scale * d) / f.divisor;
        for (size_t i = (size_t)r->offset[b]; i < (size_t)r->offset[b + 1]; i++)
            for (size_t k = 0; k < r->v; k++)
                r->dz[i][k] = c * (exp(r->lp[i][k]) - (tied ? exp(r->lq[i][k]) : (size_t)r->label[i] == k));
    }
}

static void npo_batch_mean(Role *r, double beta)
{
    double n = (double)r->tokens, d = nll_difference(r, 0, r->rows) / n, c = -2 / (1 + exp(beta * d)) / n;
    r->loss = -2 / beta * log_sigmoid(beta * d);
    for (size_t i = 0; i < r->rows; i++)
        role_label_row(r, i, r->label[i], c);
}

static void npo_logits(Role *r, double beta)
{
    double n = (double)(r->rows * r->v);
    for (size_t i = 0; i < r->rows; i++)
        for (size_t k = 0; k < r->v; k++) {
            double d = r->ref[i][k] - r->z[i][k];
            r->loss += -2 / beta * log_sigmoid(beta * d) / n;
            r->dz[i][k] = 2 / (1 + exp(beta * d)) / n;
        }
}

static void npo(Wrong *w, const char *id, double beta, const char *flag)
{
    Role r;
    if (!role_read(w, id, "forget", &r))
        return;
    if (strcmp(flag, "NpoBatchMean") == 0)
        npo_batch_mean(&r, beta);
    else if (strcmp(flag, "NpoLogits") == 0)
        npo_logits(&r, beta);
    else                                      // RefNotDetached: the reference is the model, and moves with it
        npo_samples(&r, beta, (NpoForm){ .divisor = strcmp(flag, "SumNotMean") == 0 ? 1 : (double)r.samples,
                                         .factor = strcmp(flag, "NpoOneOverBeta") == 0 ? 1 : 2,
                                         .sign = strcmp(flag, "NpoSign") == 0 ? -1 : 1, .tied = strcmp(flag, "RefNotDetached") == 0,
                                         .per_token = strcmp(flag, "NpoTokenMean") == 0 });
    role_answer(w, id, flag, "forget", &r);
}

/* --- the KL of ga_klr: its gradient on the retain logits --- */

static void kl(Wrong *w, const char *id, double lambda, const char *flag)
{
    Role r;
    if (!role_read(w, id, "retain", &r))
        return;
    double m = strcmp(flag, "KlBatchOnly") == 0 ? (double)r.samples
             : strcmp(flag, "SumNotMean") == 0  ? 1
             : strstr(id, "batch")              ? (double)r.samples
                                                : (double)r.rows;
    for (size_t i = 0; i < r.rows; i++) {
        double all = 0;                       // KL(p || p_ref) of the row
        for (size_t k = 0; k < r.v; k++)
            all += exp(r.lp[i][k]) * (r.lp[i][k] - r.lq[i][k]);
        for (size_t k = 0; k < r.v; k++)
            r.dz[i][k] = lambda / m
                       * (strcmp(flag, "KlReversed") == 0 ? exp(r.lp[i][k]) * (r.lp[i][k] - r.lq[i][k] - all)
                                                          : exp(r.lp[i][k]) - exp(r.lq[i][k]));
    }
    role_answer(w, id, flag, "retain", &r);
}

/* --- pdu and adapop: alpha (CE(retain) - limit) is added to the loss --- */

static bool plus_retain(Wrong *w, const char *id, double alpha, double limit, Role *forget)
{
    Role r;
    double sum = 0;
    if (!role_read(w, id, "retain", &r))
        return false;
    for (size_t i = 0; i < r.rows; i++)
        sum -= r.label[i] >= 0 ? r.lp[i][r.label[i]] : 0;
    forget->loss += alpha * (sum / (double)r.tokens - limit);
    return true;
}

/* PduShifted: takes the rows that predict the tokens of an answer, instead of the rows of these tokens. PduRange:
 * takes the largest logit minus the smallest one, instead of minus the mean. */
static void pdu(Wrong *w, const char *id, double alpha, const char *flag)
{
    Role r;
    const bool range = strcmp(flag, "PduRange") == 0;
    if (!role_read(w, id, "forget", &r))
        return;
    for (size_t i = 0; i < r.rows; i++) {
        size_t most = 0, least = 0;
        double mean = 0;
        for (size_t k = 0; k < r.v; k++) {
            most = r.z[i][k] > r.z[i][most] ? k : most;
            least = r.z[i][k] < r.z[i][least] ? k : least;
            mean += r.z[i][k] / (double)r.v;
        }
        const double d = r.label[i] < 0 ? 0 : r.z[i][most] - (range ? r.z[i][least] : mean), n = (double)r.tokens;
        r.loss += d * d / n;
        for (size_t k = 0; k < r.v; k++)
            r.dz[i][k] = 2 * d / n * ((k == most) - (range ? k == least : 1 / (double)r.v));
    }
    if (plus_retain(w, id, alpha, (double)0.3f, &r))
        role_answer(w, id, flag, "forget", &r);
}

/* PopularitySign: the exponent of the popularity has the wrong sign, so that every beta is at its upper end, 2.
 * PopularityUnscaled: the popularity is the exposures themselves, 256 in this case, not 28 times as much.
 * WeightNotDetached: the gradient flows through p^beta, which leaves the loss as it is. */
static void adapop(Wrong *w, const char *id, double alpha, const char *flag)
{
    Role r;
    const bool attached = strcmp(flag, "WeightNotDetached") == 0;
    const double beta = strcmp(flag, "PopularitySign") == 0 ? 2 : 58.7 * pow(attached ? 28 * 256 : 256, -0.796);
    if (!role_read(w, id, "forget", &r))
        return;
    for (size_t i = 0; i < r.rows; i++) {
        const double nll = -r.lp[i][r.label[i]], c = -exp(-beta * fmax(nll, 0)) / (double)r.tokens;
        r.loss += c * nll;
        role_label_row(&r, i, r.label[i], attached ? c * (1 - beta * nll) : c);
    }
    if (attached)
        role_gradient(w, id, flag, "forget", &r);
    else if (plus_retain(w, id, alpha, 0, &r))
        role_answer(w, id, flag, "forget", &r);
}

/* DualFirst: the retain weight is raised before the step that measures the retain loss, and as if there were no
 * warm-up. dual_step is 5, and retain_limit 0.3. */
static void dual_first(Wrong *w, const char *id, double alpha, const char *flag)
{
    Role f, r;
    double ce = 0, flat = 0;
    if (!role_read(w, id, "forget", &f) || !role_read(w, id, "retain", &r))
        return;
    for (size_t i = 0; i < r.rows; i++)
        ce -= r.lp[i][r.label[i]] / (double)r.tokens;
    for (size_t i = 0; i < f.rows; i++) {
        double most = f.z[i][0], mean = 0;
        for (size_t k = 0; k < f.v; k++)
            most = fmax(most, f.z[i][k]), mean += f.z[i][k] / (double)f.v;
        flat += f.label[i] < 0 ? 0 : (most - mean) * (most - mean) / (double)f.tokens;
    }
    const double above = ce - (double)0.3f, climbed = fmax(0, alpha + 5 * above);
    for (size_t i = 0; i < r.rows; i++)
        role_label_row(&r, i, r.label[i], climbed / (double)r.tokens);
    float *loss = wrong_answer(w, id, flag, "loss", shape_of(0));
    if (loss)
        *loss = (float)(flat + climbed * above);
    role_gradient(w, id, flag, "retain", &r);
}

/* --- scrub: -T^2 times the KL of its forget samples at temperature T. KlNoTSquared lacks T^2. --- */

static void kl_at_temperature(Wrong *w, const char *id, double T, const char *flag)
{
    Role r;
    if (!role_read(w, id, "forget", &r))
        return;
    for (size_t i = 0; i < r.rows; i++) {
        double p[MOST_V], q[MOST_V], all = 0;
        for (size_t k = 0; k < r.v; k++)
            r.z[i][k] /= T, r.ref[i][k] /= T;
        log_softmax(r.z[i], p, r.v);
        log_softmax(r.ref[i], q, r.v);
        for (size_t k = 0; k < r.v; k++)
            all += exp(p[k]) * (p[k] - q[k]);
        for (size_t k = 0; k < r.v; k++)
            r.dz[i][k] = -1 / (double)r.rows * (strcmp(flag, "KlReversed") == 0 ? T * exp(p[k]) * (p[k] - q[k] - all)
                                                                                : (exp(p[k]) - exp(q[k])) / T);
    }
    role_gradient(w, id, flag, "forget", &r);
}

/* --- siu: the gradient of the alternates, whose KL has the whole of p_ref as its target --- */

static bool label_of(const Role *r, size_t sample, int32_t id)
{
    for (size_t i = (size_t)r->offset[sample]; i < (size_t)r->offset[sample + 1]; i++)
        if (r->label[i] == id)
            return true;
    return false;
}

static void masked_kl(Wrong *w, const char *id, double alpha, double lambda, const char *flag)
{
    Role f, r;
    if (!role_read(w, id, "forget", &f) || !role_read(w, id, "alternate", &r))
        return;
    for (size_t b = 0; b < r.samples; b++)
        for (size_t i = (size_t)r.offset[b]; i < (size_t)r.offset[b + 1]; i++) {
            const double c = label_of(&f, b, r.label[i]) ? lambda / (double)r.tokens : 0;
            role_label_row(&r, i, r.label[i], alpha / (double)r.tokens);
            for (size_t k = 0; k < r.v; k++)
                r.dz[i][k] += c * (exp(r.lp[i][k]) - exp(r.lq[i][k]));
        }
    role_gradient(w, id, flag, "alternate", &r);
}

void wrong_losses(Wrong *w)
{
    static const char *const ce[] = { "SumNotMean", "ShiftOff1", "PadInMean" },
                             *const npos[] = { "NpoBatchMean", "NpoLogits", "SumNotMean", "RefNotDetached", "NpoTokenMean",
                                               "NpoOneOverBeta", "NpoSign" };
    for (size_t k = 0; k < 3; k++) {
        cross_entropy(w, "loss/ga.default", "forget", -1, ce[k]);
        cross_entropy(w, "loss/retain_ft.default", "retain", 1, ce[k]);
    }
    for (size_t k = 0; k < sizeof npos / sizeof *npos; k++)
        npo(w, "loss/npo.sequence_sum", (double)0.1f, npos[k]);
    npo(w, "loss/npo.batch_mean", (double)0.4f, "NpoLogits");
    npo(w, "loss/npo.raw_logits", (double)0.1f, "NpoBatchMean");
    kl(w, "loss/ga_klr.default", (double)0.3f, "KlReversed");
    kl(w, "loss/ga_klr.default", (double)0.3f, "SumNotMean");
    kl(w, "loss/ga_klr.all_positions", 1, "KlReversed");
    kl(w, "loss/ga_klr.all_positions", 1, "KlBatchOnly");
    kl(w, "loss/ga_klr.batch", 1, "KlReversed");
    kl_at_temperature(w, "loss/scrub.default", 4, "KlReversed");
    kl_at_temperature(w, "loss/scrub.default", 4, "KlNoTSquared");
    masked_kl(w, "loss/siu.default", (double)0.9f, 0.75, "TargetNotMasked");
    mask(w, "loss/retain_ft.masked", "ImageTokensInLoss");
    mask(w, "loss/retain_ft.masked", "PromptInLoss");
    pdu(w, "loss/pdu.default", 3, "PduRange");
    pdu(w, "loss/pdu.unshifted", 3, "PduShifted");
    dual_first(w, "loss/pdu.default", 3, "DualFirst");
    adapop(w, "loss/adapop.popular", 0.5 + (double)0.4f, "PopularitySign");
    adapop(w, "loss/adapop.popular", 0.5 + (double)0.4f, "PopularityUnscaled");
    adapop(w, "loss/adapop.popular", 0.5 + (double)0.4f, "WeightNotDetached");
}
