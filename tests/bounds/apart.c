/* SPDX-License-Identifier: MIT */
#include "tests/bounds/apart.h"

#include <math.h>
#include <mpfr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/exact/angle.h"
#include "tensor/exact/bound_records.h"
#include "tensor/exact/round.h"
#include "tensor/product/freivalds.h"
#include "tensor/product/operands.h"
#include "tests/bounds/measured.h"
#include "tests/bounds/probe.h"

enum { BITS = 700 };                                         // the precision of MPFR's numbers

static void beyond(const char *what, double error, double bound)
{
    fprintf(stderr, "%s: an error of %g is beyond the bound of %g\n", what, error, bound);
    exit(1);
}

/* --- RoPE's tables: cosine and sine of the angle pos base^(-2i/d), for d/2 pairs i and each position pos. --- */

typedef struct { size_t positions, d; float base; } Table;

static const Table tables[] = { { 200, 16, 10000 }, { 40, 8, 500000 }, { 3000, 2, 1 }, { 20000, 6, 1.5f },
                                { 60, 32, 3e38f } };

/* Computes a table by the given tier; the probe keeps the estimates of this tier. */
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

/* The error of the estimate k of a table. The estimates are in the order of pairs, then of positions, and the cosine is
 * before the sine. Position 0, where the values are exact, has no estimates. */
static double table_error(Table t, size_t k, Estimate one)
{
    const size_t i = k / 2 / (t.positions - 1), pos = k / 2 % (t.positions - 1) + 1;
    mpfr_t y;
    mpfr_init2(y, BITS);
    mpfr_set_flt(y, t.base, MPFR_RNDN);
    mpfr_log(y, y, MPFR_RNDN);
    mpfr_mul_si(y, y, -2 * (long)i, MPFR_RNDN);
    mpfr_div_ui(y, y, t.d, MPFR_RNDN);
    mpfr_exp(y, y, MPFR_RNDN);
    mpfr_mul_ui(y, y, pos, MPFR_RNDN);                      // the angle
    (k % 2 ? mpfr_sin : mpfr_cos)(y, y, MPFR_RNDN);
    mpfr_sub_d(y, y, one.v, MPFR_RNDN);
    mpfr_sub_d(y, y, one.low, MPFR_RNDN);
    double error = fabs(mpfr_get_d(y, MPFR_RNDN));
    mpfr_clear(y);
    return error;
}

/* For up to about 400 estimates of each table, calls f with the estimate's error, its whole bound, and the rest: the
 * bound without the part b. Returns the largest value of f. */
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

bool is_probed(void)
{
    estimate_table(tables[2], 1);
    const bool reported = probe_count() > 0;
    probe_keep(0);
    return reported;
}

/* --- The norm of a line: the squares are added one after the other, and all but the first are rounded away. --- */

enum { LINE = 4000 };

/* The computed norm minus the true one, which is about 1: negative if the computed norm is not an upper bound. */
static double norm_excess(void)
{
    static float x[2 * LINE];
    static double scratch[LINE + 1];
    x[0] = 1;
    for (size_t k = 1; k < 2 * LINE; k++)
        x[k] = 0x1.6a09ep-27f;                               // its square is just below 2^-53
    // the values are 2 apart, because side_make adds the squares of adjacent values in eight lanes
    const Side s = side_make((Lines){ x, F32, 1, LINE, 1, 2 }, 0, 1, scratch);
    const double squares = (LINE - 1) * (double)x[1] * (double)x[1];
    return (s.norm[0] - 1) - squares / 2;                    // sqrt(1 + q) = 1 + q / 2 to within q^2, here 2^-82
}

static double norm_least_scale(size_t b)
{
    const double whole = norm_excess();
    probe_scale(b, 0);
    const double without = norm_excess();
    probe_scale(b, 1);
    return -without / (whole - without);
}

/* --- Freivalds' check of a correct product: proportional lines, whose terms are rounded away one by one. --- */

/* Whether the check refuses this correct product. All lines of a are equal. Line j of b is a line of a, times the sign
 * that the check gives to column j of the product, so that the errors of all columns add up. */
static bool is_refused(void)
{
    enum { ROWS = 8, COLUMNS = KERNEL_COLS, TERMS = STRIP_DEPTH };
    static float a[ROWS * TERMS], b[COLUMNS * TERMS], out[ROWS * COLUMNS];
    double sign[COLUMNS];
    Error e = { 0 };
    Arena scratch = arena_make(&e);
    freivalds_signs(0, COLUMNS, sign);
    for (size_t k = 0; k < ROWS * TERMS; k++)
        a[k] = k % TERMS ? 0x1.6a09ep-27f : 1;
    for (size_t j = 0; j < COLUMNS; j++)
        for (size_t k = 0; k < TERMS; k++)
            b[j * TERMS + k] = (float)sign[j] * a[k];
    const bool good = product_by(&engine_builtin, (Lines){ a, F32, ROWS, TERMS, TERMS, 1 }, (Lines){ b, F32, COLUMNS, TERMS, TERMS, 1 },
                                 (Epilogue){ .s = 1 }, out, COLUMNS, &scratch, &e);
    arena_free(&scratch);
    return !good;
}

static double freivalds_least_scale(size_t b)
{
    double low = 0, high = 1;
    if (is_refused())
        beyond("Freivalds' check", 1, 1);
    for (int k = 0; k < 30; k++) {
        const double middle = (low + high) / 2;
        probe_scale(b, middle);
        *(is_refused() ? &low : &high) = middle;
    }
    probe_scale(b, 1);
    return high;
}

/* --- all of these bounds --- */

static bool is_named(size_t b, const char *name) { return strcmp(bound_records[b].name, name) == 0; }

const char *apart_name(size_t b)
{
    return is_named(b, "norm_raised") ? "norms of lines" : is_named(b, "freivalds") ? "Freivalds' check" : "RoPE tables";
}

bool apart_knows(size_t b)
{
    return strncmp(bound_records[b].name, "angle", 5) == 0 || is_named(b, "norm_raised") || is_named(b, "freivalds");
}

double apart_least_scale(size_t b)
{
    return is_named(b, "norm_raised") ? norm_least_scale(b)
         : is_named(b, "freivalds") ? freivalds_least_scale(b) : over_tables(b, least_of);
}

bool apart_exceeds(size_t b)
{
    return is_named(b, "norm_raised") ? norm_excess() < 0 : is_named(b, "freivalds") ? is_refused() : over_tables(b, excess_of) > 0;
}
