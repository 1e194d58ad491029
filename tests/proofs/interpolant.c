/* SPDX-License-Identifier: MIT */
#include <math.h>
#include "tensor/base/float.h"
#include "tests/proofs/interpolant.h"

enum { WORK_BITS = 120 };
#define SLACK 1.001          // covers the rounding of the bounds themselves

/* For blocks of n = 2^k floats: the nodes, the matrix from values to coefficients in t = (index - n/2) / (n/2),
 * and the largest product of distances |t - node| over the floats of the block. */
typedef struct { uint32_t node[INTERPOLANT_NODES]; mpfr_t from[INTERPOLANT_NODES][INTERPOLANT_NODES]; double product; } Nodes;
static Nodes nodes_of[INTERPOLANT_WIDEST + 1];      // made once, then only read

static double abscissa(uint32_t index, uint32_t n) { return (double)index / (n / 2) - 1; }

/* Sets column j of `from`, the inverse of Vandermonde's matrix: the coefficients of Lagrange's polynomial j. */
static void lagrange(Nodes *s, int j, uint32_t n)
{
    mpfr_t *l[INTERPOLANT_NODES], x, scale;
    mpfr_inits2(200, x, scale, (mpfr_ptr)0);
    for (int k = 0; k < INTERPOLANT_NODES; k++) {
        l[k] = &s->from[k][j];
        mpfr_init2(*l[k], 200);
        mpfr_set_ui(*l[k], k == 0, MPFR_RNDN);
    }
    for (int i = 0, degree = 0; i < INTERPOLANT_NODES; i++) {
        if (i == j)
            continue;
        mpfr_set_d(x, abscissa(s->node[i], n), MPFR_RNDN);
        for (int k = ++degree; k >= 0; k--) {                 // multiply by (t - x)
            mpfr_mul(*l[k], *l[k], x, MPFR_RNDN);
            mpfr_neg(*l[k], *l[k], MPFR_RNDN);
            if (k > 0)
                mpfr_add(*l[k], *l[k], *l[k - 1], MPFR_RNDN);
        }
        mpfr_set_d(scale, abscissa(s->node[j], n), MPFR_RNDN);
        mpfr_sub(scale, scale, x, MPFR_RNDN);
        for (int k = 0; k <= degree; k++)
            mpfr_div(*l[k], *l[k], scale, MPFR_RNDN);
    }
    mpfr_clears(x, scale, (mpfr_ptr)0);
}

static void nodes_make(Nodes *s, uint32_t n)
{
    for (int j = 0; j < INTERPOLANT_NODES; j++)
        s->node[j] = (uint32_t)lround((1 - cos((2 * j + 1) * acos(-1) / (2 * INTERPOLANT_NODES))) * (n / 2));
    for (int j = 0; j < INTERPOLANT_NODES; j++)
        lagrange(s, j, n);
    for (uint32_t i = 0; i < n; i++) {
        double product = SLACK;
        for (int j = 0; j < INTERPOLANT_NODES; j++)
            product *= fabs(abscissa(i, n) - abscissa(s->node[j], n));
        s->product = fmax(s->product, product);
    }
}

void interpolant_begin(void)
{
    for (int k = INTERPOLANT_NARROWEST; k <= INTERPOLANT_WIDEST; k++)
        nodes_make(&nodes_of[k], 1u << k);
}

static void values_at_nodes(OracleFormula f, const Nodes *s, uint32_t first, mpfr_t y[INTERPOLANT_NODES])
{
    for (int j = 0; j < INTERPOLANT_NODES; j++) {
        float x = float_from(first + s->node[j]);
        mpfr_init2(y[j], WORK_BITS);
        f(y[j], &x);
    }
}

double interpolant(OracleFormula f, uint32_t first, uint32_t count, double R, double B, double c[INTERPOLANT_NODES])
{
    int k = 0;
    while (1u << k < count)
        k++;
    const Nodes *s = &nodes_of[k];
    mpfr_t y[INTERPOLANT_NODES], sum, term;
    mpfr_inits2(WORK_BITS, sum, term, (mpfr_ptr)0);
    values_at_nodes(f, s, first, y);
    double size = 0;
    for (int i = 0; i < INTERPOLANT_NODES; i++) {
        mpfr_set_zero(sum, 1);
        for (int j = 0; j < INTERPOLANT_NODES; j++) {
            mpfr_mul(term, s->from[i][j], y[j], MPFR_RNDN);
            mpfr_add(sum, sum, term, MPFR_RNDN);
        }
        c[i] = mpfr_get_d(sum, MPFR_RNDN);
        size += fabs(c[i]);
    }
    for (int j = 0; j < INTERPOLANT_NODES; j++)
        mpfr_clear(y[j]);
    mpfr_clears(sum, term, (mpfr_ptr)0);
    double h = fabs((double)float_from(first + 1) - (double)float_from(first)) * (count / 2);
    return B * s->product * pow(h / R, INTERPOLANT_NODES) * SLACK + 16 * 0x1p-53 * size;
}
