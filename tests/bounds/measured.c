/* SPDX-License-Identifier: MIT */
#include "tests/bounds/measured.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/exact/bound_records.h"
#include "tensor/exact/round.h"
#include "tests/bounds/probe.h"

enum { BITS = 700 };

Errors errors_none(uint64_t which)
{
    Errors e = { .which = which };
    for (int k = 0; k < CHECKED; k++)
        e.error[0][k] = e.error[1][k] = -1;
    return e;
}

int tier_of(size_t b) { return strncmp(bound_records[b].what, "tier 2", 6) == 0 ? 2 : 1; }

/* The estimates of a call, and the indices of their elements. */
typedef struct { size_t count, at[CHECKED]; Estimate one[CHECKED]; } Estimates;

static Estimates estimates(const Hard *h, int tier, uint64_t which, Arena *a)
{
    Estimates e = { 0 };
    tier_force = tier - 1;
    probe_keep(tier);
    Tensor y = hard_run(h, a);
    tier_force = 0;
    const size_t n = y.data ? shape_size(y.shape) : 0, reported = probe_count();
    // if some elements were decided without tier 2, it is not known to which elements the estimates belong
    if (tier == 2 && reported != n)
        return e;
    for (size_t k = 0; k < CHECKED && k < n && k < reported; k++) {
        e.at[e.count] = k < 2 ? k : which % (n < reported ? n : reported);
        e.one[e.count] = probe_at(e.at[e.count]);
        e.count++;
    }
    probe_keep(0);
    return e;
}

static double error_of(const Hard *h, int tier, size_t at, Estimate one)
{
    mpfr_t exact;
    mpfr_init2(exact, BITS);
    hard_exact(exact, h, at);
    if (tier == 2 && strcmp(h->op->name, "nll") == 0)       // its tier 2 is that of log_softmax, which is -nll
        mpfr_neg(exact, exact, MPFR_RNDN);
    mpfr_sub_d(exact, exact, one.v, MPFR_RNDN);
    mpfr_sub_d(exact, exact, one.low, MPFR_RNDN);
    double error = fabs(mpfr_get_d(exact, MPFR_RNDN));
    mpfr_clear(exact);
    return error;
}

/* Whether the estimate says nothing, because the value rounds to 0 or overflows. */
static bool is_idle(Estimate one, double error) { return fabs(one.v) + error < 0x1p-151 || !(error < 0x1p60); }

static void beyond(const char *what, double error, double bound)
{
    fprintf(stderr, "%s: an error of %g is beyond the bound of %g\n", what, error, bound);
    exit(1);
}

double least_scale(const Hard *h, size_t b, Errors *errors, Arena *a)
{
    const int tier = tier_of(b);
    double most = -1, *error = errors->error[tier - 1];
    Estimates whole = estimates(h, tier, errors->which, a);
    probe_scale(b, 0);
    Estimates rest = estimates(h, tier, errors->which, a);
    probe_scale(b, 1);
    for (size_t k = 0; k < whole.count; k++) {
        if (error[k] < 0)
            error[k] = error_of(h, tier, whole.at[k], whole.one[k]);
        double part = whole.one[k].bound - rest.one[k].bound, least = (error[k] - rest.one[k].bound) / part;
        if (!(part > 0) || !isfinite(least) || is_idle(whole.one[k], error[k]))
            continue;
        if (error[k] > whole.one[k].bound)
            beyond(h->op->name, error[k], whole.one[k].bound);
        most = least > most ? least : most;
    }
    return most;
}

/* The result of hard_run is not used, so hard_run may fail. It does where a matrix product finds one of its sums beyond
 * its bound (product.h), but by then the estimates have been reported. */
bool exceeds(const Hard *h, size_t b, size_t n, Arena *a)
{
    tier_force = tier_of(b) - 1;
    probe_keep(tier_of(b));
    hard_run(h, a);
    tier_force = 0;
    bool beyond_it = false;
    for (size_t k = 0; k < n && k < probe_count() && k < 64 && !beyond_it; k++) {
        double error = error_of(h, tier_of(b), k, probe_at(k));
        beyond_it = !is_idle(probe_at(k), error) && error > probe_at(k).bound;
    }
    probe_keep(0);
    return beyond_it;
}
