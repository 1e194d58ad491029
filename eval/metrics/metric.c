/* SPDX-License-Identifier: MIT */
#include "eval/metrics/metric.h"

#include <math.h>
#include <string.h>

const Metric metrics[] = {
#define METRIC(name, formula, range, better, better_forget, where, source) \
    { #name, formula, range, better, better_forget, where, source },
#include "eval/metrics/metrics.def"
#undef METRIC
};
const size_t metrics_count = sizeof metrics / sizeof *metrics;

const Metric *metric_find(const char *name)
{
    for (size_t k = 0; k < metrics_count; k++)
        if (strcmp(metrics[k].name, name) == 0)
            return &metrics[k];
    return NULL;
}

const char *metric_better(const Metric *m, const char *split)
{
    const bool kept = strcmp(split, "retain") == 0 || strncmp(split, "general", strlen("general")) == 0;
    return kept ? m->better : m->better_forget;
}

Ratio ratio_of(const bool *right, size_t n)
{
    Ratio r = { 0, (int64_t)n };
    for (size_t k = 0; k < n; k++)
        r.count += right[k];
    return r;
}

double ratio_value(Ratio r)
{
    return r.total ? (double)r.count / (double)r.total : NAN;
}

double mean_of(const double *x, size_t n)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += x[k];
    return n ? sum / (double)n : NAN;
}

double retention(double before, double after)
{
    return before != 0 ? after / before : NAN;
}

size_t circular_option(size_t index, size_t round, size_t n)
{
    return (index + round) % n;
}

size_t circular_index(size_t option, size_t round, size_t n)
{
    return (option + n - round % n) % n;
}

/* Whether the rounds of a question are complete; `first` is its round 0. Sets *all to whether all answers are right. */
static bool circular_one(const CircularAnswer *a, size_t n, const CircularAnswer *first, bool *all)
{
    int seen = 0;
    *all = true;
    for (size_t k = 0; k < n; k++) {
        if (a[k].question != first->question)
            continue;
        if (a[k].rounds != first->rounds || a[k].round < 0 || a[k].round >= first->rounds
            || (a[k].round == 0 && &a[k] != first))
            return false;
        for (size_t j = 0; j < k; j++)
            if (a[j].question == a[k].question && a[j].round == a[k].round)
                return false;
        seen++;
        *all = *all && a[k].right;
    }
    return seen == first->rounds;
}

bool circular_score(const CircularAnswer *a, size_t n, Ratio *single, Ratio *circular, int64_t *bad)
{
    int64_t parts = 0;
    *single = *circular = (Ratio){ 0, 0 };
    for (size_t k = 0; k < n; k++) {
        bool all;
        if (a[k].round != 0)
            continue;
        if (!circular_one(a, n, &a[k], &all)) {
            *bad = a[k].question;
            return false;
        }
        parts += a[k].rounds;
        single->count += a[k].right;
        circular->count += all;
        single->total++;
        circular->total++;
    }
    for (size_t k = 0; parts != (int64_t)n && k < n; k++) {              // a question without its round 0
        bool begun = false;
        for (size_t j = 0; j < n; j++)
            begun = begun || (a[j].question == a[k].question && a[j].round == 0);
        *bad = a[k].question;
        if (!begun)
            return false;
    }
    return true;
}

Ratio umu_all_right(const bool *a, const bool *b, size_t n)
{
    Ratio r = { 0, (int64_t)n };
    for (size_t k = 0; k < n; k++)
        r.count += a[k] && b[k];
    return r;
}

Ratio umu_all_wrong(const bool *a, const bool *b, size_t n)
{
    Ratio r = { 0, (int64_t)n };
    for (size_t k = 0; k < n; k++)
        r.count += !a[k] && !b[k];
    return r;
}

double umu_contraharmonic(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        if (a[k] + b[k] != 0)
            sum += (a[k] * a[k] + b[k] * b[k]) / (a[k] + b[k]);
    return n ? sum / (double)n : NAN;
}

double umu_harmonic(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        if (a[k] + b[k] != 0)
            sum += 2 * a[k] * b[k] / (a[k] + b[k]);
    return n ? sum / (double)n : NAN;
}

double harmonic_mean(const double *x, size_t n)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++) {
        if (x[k] == 0)
            return 0;
        sum += 1 / x[k];
    }
    return n ? (double)n / sum : NAN;
}
