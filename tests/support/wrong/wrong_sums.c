/* SPDX-License-Identifier: MIT */
/* Losses that are sums of cross-entropies, with their known mistakes: L = sum_i weight_i CE(role_i), and for llmu a
 * KL between the model and its reference on the retained samples. */
#include <math.h>
#include <string.h>
#include "tests/support/wrong/wrong_role.h"

enum { MOST_TERMS = 3 };
/* kl: the weight of the KL; 0: there is none. flags: the names of the known mistakes. */
typedef struct { const char *id; struct { const char *role; double weight; } term[MOST_TERMS]; double kl; const char *flags; } Sum;

/* The mistakes of the cross-entropies:
 *   SumNotMean                     there is no divisor
 *   OneMean                        all roles share one divisor, as if all samples were one batch
 *   PadInMean                      rows of padding count
 *   WeightsSwapped                 the first two weights are exchanged
 *   ForgetDescent, RandomAscent    the first term has the other sign
 *   PicturesAlone                  the second term, that of the text, is missing */

/* The weight of term k, from 0, with the mistake. */
static double weight_of(const Sum *s, size_t k, const char *flag)
{
    const bool turned = strcmp(flag, "ForgetDescent") == 0 || strcmp(flag, "RandomAscent") == 0;
    if (strcmp(flag, "WeightsSwapped") == 0 && k < 2)
        return s->term[1 - k].weight;
    if (strcmp(flag, "PicturesAlone") == 0 && k == 1)
        return 0;
    return turned && k == 0 ? -s->term[k].weight : s->term[k].weight;
}

/* Returns the weighted KL, and sets dz of the rows to its gradient. SumNotMean: a sum over the rows. KlReversed:
 * KL(p || p_ref). KlSupervised: over supervised rows alone. KlCrossEntropy: without the entropy of p_ref; the gradient
 * is the same. */
static double plus_kl(Role *r, double weight, const char *flag)
{
    const bool back = strcmp(flag, "KlReversed") == 0, cross = strcmp(flag, "KlCrossEntropy") == 0,
               supervised = strcmp(flag, "KlSupervised") == 0;
    const double n = (double)(supervised ? r->tokens : strcmp(flag, "SumNotMean") == 0 ? 1 : r->rows);
    double sum = 0;
    for (size_t i = 0; i < r->rows; i++) {
        double all = 0;
        for (size_t k = 0; k < r->v; k++)
            all += back ? exp(r->lp[i][k]) * (r->lp[i][k] - r->lq[i][k])
                        : exp(r->lq[i][k]) * ((cross ? 0 : r->lq[i][k]) - r->lp[i][k]);
        if (supervised && r->label[i] < 0)
            continue;
        sum += all;
        for (size_t k = 0; k < r->v; k++)
            r->dz[i][k] = weight / n * (back ? exp(r->lp[i][k]) * (r->lp[i][k] - r->lq[i][k] - all)
                                             : exp(r->lp[i][k]) - exp(r->lq[i][k]));
    }
    return weight * sum / n;
}

static void sum_of_terms(Wrong *w, const Sum *s, const char *flag)
{
    Role r[MOST_TERMS + 1];
    size_t n = 0, all = 0;
    double total = 0;
    const bool of_kl = flag[0] == 'K', gradient = strcmp(flag, "KlCrossEntropy") != 0;
    for (; n < MOST_TERMS && s->term[n].role; n++)
        if (!role_read(w, s->id, s->term[n].role, &r[n]))
            return;
        else
            all += r[n].tokens;
    for (size_t k = 0; k < n; k++) {
        const double weight = weight_of(s, k, flag),
                     d = (double)(strcmp(flag, "SumNotMean") == 0  ? 1
                                  : strcmp(flag, "OneMean") == 0   ? all
                                  : strcmp(flag, "PadInMean") == 0 ? r[k].samples * r[k].longest
                                                                   : r[k].tokens);
        for (size_t i = 0; i < r[k].rows; i++)
            if (r[k].label[i] >= 0) {
                total -= weight * r[k].lp[i][r[k].label[i]] / d;
                role_label_row(&r[k], i, r[k].label[i], weight / d);
            }
        const bool moved = weight != s->term[k].weight || d != (double)r[k].tokens;
        if (moved)
            role_gradient(w, s->id, flag, s->term[k].role, &r[k]);
    }
    if (s->kl > 0 && role_read(w, s->id, "retain", &r[n])) {
        total += plus_kl(&r[n], s->kl, flag);
        if ((of_kl && gradient) || strcmp(flag, "SumNotMean") == 0)
            role_gradient(w, s->id, flag, "retain", &r[n]);
    }
    float *loss = wrong_answer(w, s->id, flag, "loss", shape_of(0));
    if (loss)
        *loss = (float)total;
}

void wrong_sums(Wrong *w)
{
    static const Sum list[] = {
        { "loss/mmunlearner.default", { { "forget", -1.5 }, { "retain", 0.5 } }, 0, "SumNotMean OneMean WeightsSwapped ForgetDescent" },
        { "loss/llmu.default", { { "forget", -0.5 }, { "random", 1 } }, 1,
          "KlReversed KlSupervised KlCrossEntropy SumNotMean OneMean WeightsSwapped ForgetDescent" },
        { "loss/o3.default", { { "random", (double)0.8f } }, 0, "SumNotMean PadInMean RandomAscent" },
        { "loss/adapters.default", { { "refusal", (double)0.8f }, { "retain", (double)0.3f } }, 0, "SumNotMean OneMean WeightsSwapped" },
        { "loss/smfa.default", { { "refusal", (double)1.2f }, { "retain", (double)0.4f } }, 0, "SumNotMean OneMean WeightsSwapped" },
        { "loss/cmju.default", { { "forget", -1 }, { "forget_text", -1 }, { "retain", (double)0.6f } }, 0,
          "SumNotMean OneMean PicturesAlone ForgetDescent" },
    };
    for (size_t k = 0; k < sizeof list / sizeof *list; k++) {
        const char *flags = list[k].flags, *flag;
        while ((flag = wrong_flag(w, &flags)))
            sum_of_terms(w, &list[k], flag);
    }
}
