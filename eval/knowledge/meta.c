/* SPDX-License-Identifier: MIT */
#include "eval/knowledge/meta.h"

#include <math.h>
#include <string.h>
#include "eval/metrics/ranks.h"
#include "tensor/base/decimal.h"

/* --- Orientation --- */

/* Reads one end of a range: a number, or "ln 2". */
static bool end_of(const char *text, size_t n, double *out)
{
    char word[16];
    if (n >= sizeof word)
        return false;
    memcpy(word, text, n);
    word[n] = 0;
    if (strcmp(word, "ln 2") == 0)
        return *out = 0x1.62e42fefa39efp-1, true;
    return decimal_to_double(word, out);
}

/* The two ends of "low..high". */
static bool range_of(const Metric *m, double *low, double *high)
{
    const char *dots = strstr(m->range, "..");
    return dots && end_of(m->range, (size_t)(dots - m->range), low) && end_of(dots + 2, strlen(dots + 2), high);
}

/* 1: a larger value says that more is known; -1: that less is; 0: neither. */
static int direction(const Metric *m)
{
    const char *best = m->better_forget;
    return strcmp(best, "down") == 0 || strcmp(best, "0.5") == 0 ? 1 : strcmp(best, "up") == 0 || strcmp(best, "1") == 0 ? -1 : 0;
}

bool meta_orients(const Metric *m)
{
    double low, high;
    return direction(m) != 0 && range_of(m, &low, &high);
}

double meta_knows(const Metric *m, double value)
{
    double low, high;
    if (direction(m) == 0 || !range_of(m, &low, &high))
        return NAN;
    const double share = (value - low) / (high - low);
    return direction(m) > 0 ? share : 1 - share;
}

/* --- The score --- */

double meta_ratio(double x, double y)
{
    if (isnan(x) || isnan(y))
        return NAN;
    const double ratio = y == 0 ? 1 : x / y;
    return ratio < 0 ? 0 : ratio > 1 ? 1 : ratio;
}

/* Copies the values that are not NaN; *n is their number. */
static double *numbers(const double *x, size_t count, size_t *n, Arena *a)
{
    double *out = arena_array(a, count, sizeof *out);
    *n = 0;
    for (size_t k = 0; out && k < count; k++)
        if (!isnan(x[k]))
            out[(*n)++] = x[k];
    return out;
}

/* The AUC of the values `high` over the values `low`; NaN where one of the two lists is empty. */
static bool auc_above(double *out, const double *high, size_t n, const double *low, size_t m, Arena *a, Error *e)
{
    Auc u;
    *out = NAN;
    if (n == 0 || m == 0)
        return true;
    if (!auc_of(&u, low, m, high, n, a, e))
        return false;
    *out = auc_value(u);
    return true;
}

/* The mean change by relearning, over the models that have a value before and after. */
static double mean_change(MetaPool p)
{
    double sum = 0;
    size_t n = 0;
    for (size_t k = 0; k < p.count; k++) {
        const double change = p.relearned[k] - p.as_is[k];
        sum += isnan(change) ? 0 : change;
        n += !isnan(change);
    }
    return n ? sum / (double)n : NAN;
}

static void robustness(MetaScore *out, MetaPool unknown, MetaPool hidden)
{
    const double reference = mean_change(unknown);
    double q = 0, r = 0, b = 0;
    size_t n = 0;
    for (size_t k = 0; k < hidden.count; k++) {
        const double x[2] = { meta_ratio(hidden.quantised[k], hidden.as_is[k]),
                              meta_ratio(reference, hidden.relearned[k] - hidden.as_is[k]) };
        if (isnan(x[0]) || isnan(x[1]))
            continue;
        q += x[0];
        r += x[1];
        b += harmonic_mean(x, 2);
        n++;
    }
    out->q = n ? q / (double)n : NAN;
    out->r = n ? r / (double)n : NAN;
    out->b = n ? b / (double)n : NAN;
}

bool meta_score(MetaScore *out, MetaPool know, MetaPool unknown, MetaPool hidden, Arena *a, Error *e)
{
    *out = (MetaScore){ .know = 0 };
    const double *p = numbers(know.as_is, know.count, &out->know, a), *n = numbers(unknown.as_is, unknown.count, &out->unknown, a),
                 *h = numbers(hidden.as_is, hidden.count, &out->hidden, a);
    if (!p || !n || !h || !auc_above(&out->f, p, out->know, n, out->unknown, a, e)
        || !auc_above(&out->auc_hidden, h, out->hidden, n, out->unknown, a, e))
        return false;
    robustness(out, unknown, hidden);
    out->a = isnan(out->f) || isnan(out->b) ? NAN : harmonic_mean((double[]){ out->f, out->b }, 2);
    return true;
}
