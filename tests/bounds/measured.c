/* SPDX-License-Identifier: MIT */
#include "tests/bounds/measured.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/exact/angle.h"
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

/* The estimates of a call, with the elements that they are of. */
typedef struct { size_t count, at[CHECKED]; Estimate one[CHECKED]; } Estimates;

static Estimates estimates(const Hard *h, int tier, uint64_t which, Arena *a)
{
    Estimates e = { 0 };
    tier_force = tier - 1;
    probe_keep(tier);
    Tensor y = hard_run(h, a);
    tier_force = 0;
    const size_t n = y.data ? shape_size(y.shape) : 0, told = probe_count();
    if (tier == 2 && told != n)                              // some were decided without this tier, so that places are not known
        return e;
    for (size_t k = 0; k < CHECKED && k < n && k < told; k++) {
        e.at[e.count] = k < 2 ? k : which % (n < told ? n : told);
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
    if (tier == 2 && strcmp(h->op->name, "nll") == 0)        // the second tier is that of log_softmax
        mpfr_neg(exact, exact, MPFR_RNDN);
    mpfr_sub_d(exact, exact, one.v, MPFR_RNDN);
    mpfr_sub_d(exact, exact, one.low, MPFR_RNDN);
    double error = fabs(mpfr_get_d(exact, MPFR_RNDN));
    mpfr_clear(exact);
    return error;
}

/* Whatever it is, it rounds to 0; or it overflows. */
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

/* (A product that is audited may fail, and has told its estimates all the same.) */
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

/* --- RoPE's tables: pair i of d/2, position pos; a cosine, then a sine. --- */

typedef struct { size_t positions, d; float base; } Table;

static const Table tables[] = { { 200, 16, 10000 }, { 40, 8, 500000 }, { 3000, 2, 1 }, { 20000, 6, 1.5f }, { 60, 32, 3e38f } };

/* The estimates of one table are kept by the probe. */
static void estimate_table(Table t, int tier)
{
    Error e = { 0 };
    float *c = malloc(t.positions * t.d / 2 * sizeof *c), *s = malloc(t.positions * t.d / 2 * sizeof *s);
    tier_force = tier - 1;
    probe_keep(tier);
    if (!c || !s || !angle_rope_tables(c, s, t.positions, t.d, t.base, &e))
        beyond(e.text, 0, 0);
    tier_force = 0;
    free(c);
    free(s);
}

static double table_error(Table t, size_t k, Estimate one)
{
    const size_t i = k / 2 / (t.positions - 1), pos = k / 2 % (t.positions - 1) + 1;
    mpfr_t angle;
    mpfr_init2(angle, BITS);
    mpfr_set_flt(angle, t.base, MPFR_RNDN);
    mpfr_log(angle, angle, MPFR_RNDN);
    mpfr_mul_si(angle, angle, -2 * (long)i, MPFR_RNDN);
    mpfr_div_ui(angle, angle, t.d, MPFR_RNDN);
    mpfr_exp(angle, angle, MPFR_RNDN);
    mpfr_mul_ui(angle, angle, pos, MPFR_RNDN);
    (k % 2 ? mpfr_sin : mpfr_cos)(angle, angle, MPFR_RNDN);
    mpfr_sub_d(angle, angle, one.v, MPFR_RNDN);
    mpfr_sub_d(angle, angle, one.low, MPFR_RNDN);
    double error = fabs(mpfr_get_d(angle, MPFR_RNDN));
    mpfr_clear(angle);
    return error;
}

/* Calls f for some hundred entries of each table with the whole bound and the bound without the part b. */
static double over_tables(size_t b, double (*f)(double error, double whole, double rest))
{
    double most = -1;
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
        estimate_table(tables[t], tier_of(b));
        const size_t n = probe_count();
        Estimate *whole = malloc(n * sizeof *whole);
        for (size_t k = 0; whole && k < n; k++)
            whole[k] = probe_at(k);
        const double scale = probe_scale(b, 0);
        estimate_table(tables[t], tier_of(b));
        probe_scale(b, scale);
        for (size_t k = 0; whole && k < n; k += 1 + n / 401) {
            double one = f(table_error(tables[t], k, whole[k]), whole[k].bound, probe_at(k).bound);
            most = one > most ? one : most;
        }
        free(whole);
    }
    probe_keep(0);
    return most;
}

static double least_of(double error, double whole, double rest)
{
    if (error > whole)
        beyond("RoPE tables", error, whole);
    return whole > rest ? (error - rest) / (whole - rest) : -1;
}

static double excess_of(double error, double whole, double rest)
{
    (void)rest;
    return error > whole ? 1 : -1;
}

double angle_least_scale(size_t b) { return over_tables(b, least_of); }
bool   angle_exceeds(size_t b)     { return over_tables(b, excess_of) > 0; }

bool is_probed(void)
{
    estimate_table(tables[2], 1);
    const bool told = probe_count() > 0;
    probe_keep(0);
    return told;
}
