/* SPDX-License-Identifier: MIT */
#include "eval/evidence/verdicts.h"

#include <inttypes.h>
#include <math.h>
#include "eval/evidence/base.h"

enum { ALL = -1 };

/* A finished base: its number, and its contrasts. */
typedef struct {
    int64_t number;
    Contrasts contrasts;
} FinishedBase;

/* The difference of one base for one method, or for ALL methods. False: not all methods and seeds are there. */
static bool difference(BaseDifference *out, const Registration *r, const FinishedBase *base, size_t finding, int method)
{
    double sum = 0;
    size_t n = 0;
    *out = (BaseDifference){ .reached = true, .number = base->number };
    for (size_t k = 0; k < base->contrasts.count; k++) {
        const Contrast *x = &base->contrasts.item[k];
        if (x->finding != finding || (method != ALL && x->method != (size_t)method))
            continue;
        out->reached = out->reached && x->reached;
        sum += x->reached ? x->value : 0;
        n++;
    }
    out->difference = sum / (double)(n ? n : 1) - r->finding[finding].threshold;
    return n == r->seeds * (method == ALL ? r->methods : 1);
}

/* The evidence of the finished bases. If a measure is compared with a threshold, an interval below it means "no" and
 * not "reversed". */
static bool decide(Evidence *out, const Registration *r, const FinishedBase *base, size_t bases, size_t finding, int method, Error *e)
{
    const Finding *f = &r->finding[finding];
    BaseDifference d[SIGN_FLIP_MAX];
    size_t n = 0;
    for (size_t k = 0; k < bases; k++)
        n += difference(&d[n], r, &base[k], finding, method);
    if (!evidence_decide(out, d, n, (EvidenceRule){ f->delta, r->widest, (size_t)r->bases }, e))
        return error_prefix(e, "%s", f->name);
    if (out->kind == EVIDENCE_REVERSED && f->threshold > 0)
        out->kind = EVIDENCE_NO;
    return true;
}

/* Tests the findings of the fixed order one after another. A finding whose bases are not all finished stays
 * "undecided", which says more than "not tested". */
static void in_order(Verdicts *v, const Registration *r)
{
    Verdict *at[FINDINGS_MAX];
    Evidence x[FINDINGS_MAX];
    size_t n = 0;
    for (size_t order = 1; order <= r->ordered; order++)
        for (size_t k = 0; k < v->count; k++)
            if (r->finding[k].order == order)
                at[n] = &v->verdict[k], x[n] = at[n]->all, n++;
    evidence_in_order(x, n);
    const char *before = NULL;
    for (size_t k = 0; k < n; k++) {
        const bool finished = at[k]->all.finished == (size_t)r->bases;
        if (finished && x[k].kind == EVIDENCE_NOT_TESTED)
            at[k]->before = before;
        at[k]->all.kind = finished ? x[k].kind : EVIDENCE_UNDECIDED;
        before = before || at[k]->all.kind == EVIDENCE_YES ? before : at[k]->finding->name;
    }
}

bool verdicts_read(Verdicts *out, const Registration *r, const char *folder, Arena *a, Error *e)
{
    FinishedBase base[SIGN_FLIP_MAX];
    *out = (Verdicts){ .count = r->findings };
    for (int64_t k = 1; k <= r->bases; k++) {
        const char *path = base_folder(folder, k, a);
        if (!path)
            return false;
        if (!base_finished(path))
            continue;
        FinishedBase *next = &base[out->finished++];
        next->number = k;
        if (!base_read(&next->contrasts, path, r, k, a, e))
            return false;
    }
    for (size_t f = 0; f < r->findings; f++) {
        Verdict *v = &out->verdict[f];
        double p[LISTED_MAX];
        v->finding = &r->finding[f];
        if (!decide(&v->all, r, base, out->finished, f, ALL, e))
            return false;
        for (size_t m = 0; m < r->methods; m++) {
            if (!decide(&v->method[m], r, base, out->finished, f, (int)m, e))
                return false;
            p[m] = v->method[m].p;
        }
        holm(p, p, r->methods);
        for (size_t m = 0; m < r->methods; m++)
            v->method[m].p = p[m];
    }
    in_order(out, r);
    return true;
}

/* How many bases it takes to get an interval of this half-width: "11 bases". */
static const char *bases_text(const Evidence *x, double half, Arena *a)
{
    const size_t n = interval_size(x->interval, x->reached, half);
    return n ? arena_format(a, "%zu bases", n) : arena_format(a, "more than %d bases", INTERVAL_MAX);
}

/* The distance from the mean to the bound that an undecided interval crosses: -delta if the mean is below -delta, else
 * delta. */
static double to_delta(const Evidence *x, const Finding *f)
{
    return fabs(x->interval.mean < -f->delta ? x->interval.mean + f->delta : x->interval.mean - f->delta);
}

const char *verdict_words(const Verdict *v, const Registration *r, Arena *a)
{
    const Evidence *x = &v->all;
    const size_t missing = x->finished - x->reached;
    switch (x->kind) {
    case EVIDENCE_YES:
        return "Yes.";
    case EVIDENCE_NO:
        return "No.";
    case EVIDENCE_REVERSED:
        return "Reversed.";
    case EVIDENCE_UNDERPOWERED:
        return arena_format(a, "Underpowered: the half-width of the interval is %.3f, over %.2f. With this spread, %s would bring it down "
                               "to %.2f.", x->interval.half, r->widest, bases_text(x, r->widest, a), r->widest);
    case EVIDENCE_NOT_TESTED:
        return arena_format(a, "Not tested: %s, which comes earlier in the fixed order, is not \"yes\".",
                            v->before ? v->before : "a finding");
    default:
        break;
    }
    if (x->finished < (size_t)r->bases)
        return arena_format(a, "Undecided: %zu of %" PRId64 " bases are finished.", x->finished, r->bases);
    if (missing > 1)
        return arena_format(a, "Undecided: %zu of %" PRId64 " bases never reach a level.", missing, r->bases);
    return arena_format(a, "Undecided: the interval holds both what matters and what does not. With this mean and spread, %s would "
                           "decide.", bases_text(x, to_delta(x, v->finding), a));
}

const char *verdict_numbers(const Evidence *x, const Finding *f, Arena *a)
{
    const double mean = x->interval.mean + f->threshold;
    if (x->reached < 2)
        return "";
    return arena_format(a, "%.3f (%.3f to %.3f), p = %.4f, %zu bases", mean, mean - x->interval.half, mean + x->interval.half, x->p,
                        x->reached);
}
