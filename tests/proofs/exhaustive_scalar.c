/* SPDX-License-Identifier: MIT */
/* Every float of every scalar function, proven to be the nearest float of its formula. It is longer than 400 lines,
 * with one proof for each kind of block.
 *     exhaustive_scalar [RESULTS [NAME …]]      default build/exhaustive_scalar.txt, all twelve functions
 *
 * It shares nothing with the kernels but the rounding test and exact products. Each block of operands has a proof:
 *   polynomial  through six MPFR values, with a proven bound (interpolant.h); MPFR decides where the interval holds two
 *               floats, or not the float of the result.
 *   constant    f is monotone here and MPFR gives one float at both ends of the block.
 *   half        f(x) = x/2 + d with 0 < d <= x^2/2 and |x| < 2^-30: the result is x/2 if that is a float; else x/2 is
 *               the midpoint of two floats, and the result is the upper one.
 *   same        |f(x) - x| is below a hundredth of an ulp: the result is x.
 *   root, rsqrt the squares of the midpoints to both neighbours of the result enclose x or 1/x: computed exactly.
 *   nan         the result is the canonical NaN.
 *   direct      MPFR gives the result of each operand.
 * A function without a wrong float is written to RESULTS; the next run of the same program skips it. */
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "tensor/base/team.h"
#include "tensor/exact/scalar.h"
#include "tests/proofs/interpolant.h"
#include "tests/support/oracle.h"

enum { WIDEST = INTERPOLANT_WIDEST, NARROWEST = INTERPOLANT_NARROWEST, BLOCK_MAX = 1 << WIDEST };
typedef enum { POLYNOMIAL, CONSTANT, HALF, SAME, ROOT, RECIPROCAL_ROOT, NOT_A_NUMBER, DIRECT } Proof;
typedef struct { uint32_t first; uint32_t count; Proof proof; } Block;       // consecutive bit patterns
typedef struct { Block *at; size_t count, capacity; uint64_t floats; } Plan;
typedef struct { uint64_t wrong, by_mpfr; bool silent; } Tally;              // silent: wrong results are not printed

/* If `radius` is 0, `plus` proves all positive finite x (but the least subnormals of log, which are DIRECT), and tiny,
 * end and minus are not read. */
typedef struct {
    const ScalarFunction *f;
    Proof tiny;              // the proof where |x| < 2^-30
    int   end;               // polynomials prove where 2^-30 <= |x| < 2^end
    Proof plus, minus;       // the proofs of larger positive and negative x
    int   width;             // half the width of a block, h, is at most 2^width
    double radius;           // R of interpolant.h; 0: R is half of a block's least x
    double (*bound)(double lo, double hi, double R);
} Row;

/* --- Bounds of |f| in the complex plane within R of [lo, hi]: B of interpolant.h. With |Im z| <= R < pi/2, Re e^-z >
 * 0, so that |1 + e^-z| is at least 1 and at least |e^-z|. SLACK covers the rounding of the bounds themselves. --- */
#define SLACK 1.001
static double gate(double hi, double R)  { return SLACK * fmin(1, exp(hi + R)); }                       // |sigmoid(z)|
static double largest_exp(double lo, double hi, double R)  { (void)lo; return SLACK * exp(hi + R); }
static double largest_log(double lo, double hi, double R)  { (void)hi, (void)R; return SLACK * (fabs(log(lo)) + 1.4); }
static double largest_sigmoid(double lo, double hi, double R) { (void)lo; return gate(hi, R); }
static double largest_log_sigmoid(double lo, double hi, double R) // |log(1 + w)| <= both |w| and log(1 + |w|) + pi/2
{
    (void)hi;
    double w = exp(R - lo);
    return SLACK * fmin(w, log1p(w) + 1.6);
}
static double farthest(double lo, double hi, double R) { return fmax(fabs(lo), fabs(hi)) + R; }
static double largest_silu(double lo, double hi, double R) { return farthest(lo, hi, R) * gate(hi, R); }
static double largest_silu_grad(double lo, double hi, double R)
{
    return gate(hi, R) * (1 + farthest(lo, hi, R) * gate(-lo, R));
}
static double largest_quick_gelu(double lo, double hi, double R) { return largest_silu(1.702 * lo, 1.702 * hi, 1.702 * R); }
static double largest_quick_gelu_grad(double lo, double hi, double R) { return largest_silu_grad(1.702 * lo, 1.702 * hi, 1.702 * R); }
/* P, the normal distribution function: |P(a + bi)| <= e^(b^2/2) P(a) by integrating the density along the horizontal
 * line; P(-t) <= e^(-t^2/2) / 2. */
static double normal(double hi, double R)
{
    double a = hi + R;
    return SLACK * exp(R * R / 2) * (a < 0 ? 0.5 * exp(-a * a / 2) : 1);
}
static double largest_gelu(double lo, double hi, double R) { return farthest(lo, hi, R) * normal(hi, R); }
static double largest_gelu_grad(double lo, double hi, double R)
{
    double a = fmax(0, (lo > 0 ? lo : -hi) - R);
    return normal(hi, R) + SLACK * 0.4 * exp((R * R - a * a) / 2) * farthest(lo, hi, R);
}

static const Row rows[] = {
    { &scalar_exp,             CONSTANT, 7, CONSTANT, CONSTANT,  -9, 1,    largest_exp },
    { &scalar_sigmoid,         CONSTANT, 7, CONSTANT, CONSTANT,  -9, 1,    largest_sigmoid },
    { &scalar_log_sigmoid,     CONSTANT, 7, CONSTANT, SAME,      -9, 1,    largest_log_sigmoid },
    { &scalar_silu,            HALF,     7, SAME,     CONSTANT,  -9, 1,    largest_silu },
    { &scalar_silu_grad,       CONSTANT, 7, CONSTANT, CONSTANT,  -9, 1,    largest_silu_grad },
    { &scalar_quick_gelu,      HALF,     7, SAME,     CONSTANT, -10, 0.75, largest_quick_gelu },
    { &scalar_quick_gelu_grad, CONSTANT, 7, CONSTANT, CONSTANT, -10, 0.75, largest_quick_gelu_grad },
    { &scalar_gelu,            HALF,     4, SAME,     CONSTANT, -12, 0.5,  largest_gelu },
    { &scalar_gelu_grad,       CONSTANT, 4, CONSTANT, CONSTANT, -12, 0.5,  largest_gelu_grad },
    { &scalar_log,             POLYNOMIAL, 0, POLYNOMIAL, NOT_A_NUMBER, 200, 0, largest_log },
    { &scalar_sqrt,            ROOT, 0, ROOT, NOT_A_NUMBER, 0, 0, NULL },
    { &scalar_rsqrt,           RECIPROCAL_ROOT, 0, RECIPROCAL_ROOT, NOT_A_NUMBER, 0, 0, NULL },
};

/* --- The plan: all bit patterns, each in one block. --- */

static void plan_block(Plan *p, uint32_t first, uint64_t count, Proof proof)
{
    if (p->count == p->capacity) {
        p->capacity = p->capacity ? 2 * p->capacity : 1024;
        p->at = realloc(p->at, p->capacity * sizeof *p->at);
        if (!p->at)
            exit(2);
    }
    p->at[p->count++] = (Block){ first, (uint32_t)count, proof };
    p->floats += count;
}

static void plan_range(Plan *p, uint64_t first, uint64_t end, Proof proof)
{
    for (; first < end; first += BLOCK_MAX)
        plan_block(p, (uint32_t)first, end - first < BLOCK_MAX ? end - first : BLOCK_MAX, proof);
}

#define MINUS 0x80000000u
#define INF   0x7f800000u

static uint32_t power(int e) { return (uint32_t)(e + 127) << 23; }

/* The binade of 2^e: blocks of 2^k floats with half width 2^(k-1) 2^(e-23) <= 2^width. */
static void plan_binade(Plan *p, uint32_t sign, int e, int width)
{
    int k = width + 24 - e;
    k = k > WIDEST ? WIDEST : k < NARROWEST ? NARROWEST : k;
    for (uint32_t b = 0; b < 1u << 23; b += 1u << k)
        plan_block(p, sign | (power(e) + b), 1u << k, POLYNOMIAL);
}

/* A binade of subnormals has 2^j floats, with j = e + 149. The floats of the smallest binades
 * are checked one by one. */
static void plan_subnormals(Plan *p)
{
    plan_range(p, 1, 1u << (WIDEST - 1), DIRECT);
    for (int j = WIDEST - 1; j < 23; j++)
        for (uint32_t b = 1u << j; b < 2u << j; b += 1u << (j - 9 < NARROWEST ? NARROWEST : j - 9))
            plan_block(p, b, 1u << (j - 9 < NARROWEST ? NARROWEST : j - 9), POLYNOMIAL);
}

static void plan_line(Plan *p, const Row *r, uint32_t sign, Proof far)
{
    plan_range(p, sign, (uint64_t)sign + power(-30), r->tiny);
    for (int e = -30; e < r->end; e++)
        plan_binade(p, sign, e, r->width);
    plan_range(p, (uint64_t)sign + power(r->end), (uint64_t)sign + INF + 1, far);
}

static void plan_positive(Plan *p, const Row *r)
{
    plan_block(p, 0, 1, DIRECT);
    plan_block(p, MINUS, 1, DIRECT);
    plan_block(p, INF, 1, DIRECT);
    plan_range(p, MINUS + 1, MINUS + INF + 1, NOT_A_NUMBER);
    if (r->plus == POLYNOMIAL) {
        plan_subnormals(p);
        for (int e = -126; e < 128; e++)
            plan_binade(p, 0, e, r->width);
    } else
        plan_range(p, 1, INF, r->plus);
}

static Plan plan_make(const Row *r)
{
    Plan p = { .at = NULL };
    if (r->radius > 0) {
        plan_line(&p, r, 0, r->plus);
        plan_line(&p, r, MINUS, r->minus);
    } else
        plan_positive(&p, r);
    plan_range(&p, INF + 1, MINUS, NOT_A_NUMBER);
    plan_range(&p, (uint64_t)MINUS + INF + 1, 1ull << 32, NOT_A_NUMBER);
    return p;
}

/* --- Checking a block of results. --- */

static bool right_by_mpfr(const Row *r, uint32_t bits, float y, Tally *t)
{
    bool right = float_bits(oracle_scalar_value(r->f->name, float_from(bits))) == float_bits(y);
    if (!right && t->wrong++ < 5 && !t->silent)
        printf("%s(%a = %08x) = %a is wrong\n", r->f->name, (double)float_from(bits), (unsigned)bits, (double)y);
    return right;
}

/* Collects the indices where the polynomial does not decide, or decides for another float than y. */
CLONES static size_t doubtful(const double c[INTERPOLANT_NODES], double error, const float *y, uint32_t n, uint32_t *doubt)
{
    size_t found = 0;
    const v8d lane = { 0, 1, 2, 3, 4, 5, 6, 7 };
    for (uint32_t i = 0; i < n; i += LANES) {
        v8d t = (lane + i) * (2.0 / n) - 1;
        v8d v = c[0] + t * (c[1] + t * (c[2] + t * (c[3] + t * (c[4] + t * c[5]))));
        v8f near;
        v8i doubts = simd_round_fails(v, simd_set(error), &near), got;
        memcpy(&got, y + i, sizeof got);
        doubts |= (v8i)((v8i)near != got);
        if (simd_any(doubts))
            for (uint32_t k = 0; k < LANES; k++)
                if (doubts[k])
                    doubt[found++] = i + k;
    }
    return found;
}

static void check_polynomial(const Row *r, const Block *b, const float *y, Tally *t)
{
    static _Thread_local uint32_t doubt[BLOCK_MAX];
    double c[INTERPOLANT_NODES], first = float_from(b->first), last = float_from(b->first + b->count - 1);
    double lo = fmin(first, last), hi = fmax(first, last), R = r->radius > 0 ? r->radius : lo / 2;
    double error = interpolant(oracle_scalar(r->f->name), b->first, b->count, R, r->bound(lo, hi, R), c);
    size_t n = doubtful(c, error, y, b->count, doubt);
    for (size_t k = 0; k < n; k++)
        right_by_mpfr(r, b->first + doubt[k], y[doubt[k]], t);
    t->by_mpfr += n;
    if (n == 0)
        right_by_mpfr(r, b->first + b->count / 3, y[b->count / 3], t);       // one float of each block is always checked
}

CLONES static size_t roots_wrong(const float *x, const float *y, uint32_t n)
{
    size_t wrong = 0;
    for (uint32_t i = 0; i < n; i++) {
        double below = 0.5 * ((double)y[i] + float_from(float_bits(y[i]) - 1)),
               above = 0.5 * ((double)y[i] + float_from(float_bits(y[i]) + 1));
        wrong += !(below * below < x[i] && x[i] < above * above);
    }
    return wrong;
}

CLONES static size_t reciprocal_roots_wrong(const float *x, const float *y, uint32_t n)
{
    size_t wrong = 0;
    for (uint32_t i = 0; i < n; i++) {
        double below = 0.5 * ((double)y[i] + float_from(float_bits(y[i]) - 1)),
               above = 0.5 * ((double)y[i] + float_from(float_bits(y[i]) + 1));
        dd p = dd_product(below * below, x[i]), q = dd_product(above * above, x[i]);
        wrong += !((p.h - 1) + p.l < 0 && (q.h - 1) + q.l > 0);
    }
    return wrong;
}

static uint32_t half_bits(uint32_t bits)
{
    uint32_t sign = bits & 1u << 31, m = bits & 0x7fffffffu;
    return sign | (m >= 0x01000000u ? m - 0x00800000u : (m + (sign ? 0 : 1)) / 2);
}

static void check_formula(const Block *b, const float *y, Tally *t)
{
    for (uint32_t i = 0; i < b->count; i++) {
        uint32_t bits = b->first + i, want = b->proof == HALF ? half_bits(bits) : b->proof == SAME ? bits : 0x7fc00000u;
        t->wrong += float_bits(y[i]) != want;
    }
}

/* The function is monotone here, so a block whose two ends round to one float has that float everywhere.
 * MPFR is asked for the ends of each block; the ends of the whole range would do, but would have to be
 * remembered from block to block. */
static void check_constant(const Row *r, const Block *b, const float *y, Tally *t)
{
    bool ends = right_by_mpfr(r, b->first, y[0], t) && right_by_mpfr(r, b->first + b->count - 1, y[b->count - 1], t);
    for (uint32_t i = 0; ends && i < b->count; i++)
        t->wrong += float_bits(y[i]) != float_bits(y[0]);
}

static void check_direct(const Row *r, const Block *b, const float *y, Tally *t)
{
    for (uint32_t i = 0; i < b->count; i++)
        right_by_mpfr(r, b->first + i, y[i], t);
    t->by_mpfr += b->count;
}

static void check_block(const Row *r, const Block *b, const float *x, const float *y, Tally *t)
{
    switch (b->proof) {
    case POLYNOMIAL:      check_polynomial(r, b, y, t); break;
    case CONSTANT:        check_constant(r, b, y, t); break;
    case ROOT:            t->wrong += roots_wrong(x, y, b->count); break;
    case RECIPROCAL_ROOT: t->wrong += reciprocal_roots_wrong(x, y, b->count); break;
    case DIRECT:          check_direct(r, b, y, t); break;
    default:              check_formula(b, y, t);
    }
}

/* Computes a block and checks it. If `flip` is the index of a result, one bit of this result is flipped in between. */
static Tally run_block(const Row *r, const Block *b, uint32_t flip)
{
    static _Thread_local float x[BLOCK_MAX], y[BLOCK_MAX];
    Tally t = { 0, 0, flip < b->count };
    for (uint32_t i = 0; i < b->count; i++)
        x[i] = float_from(b->first + i);
    size_t at = r->f->map(x, y, b->count, 1);
    if (at < b->count)
        printf("%s: no tier decides %a\n", r->f->name, (double)x[at]);
    t.wrong += at < b->count;
    if (flip < b->count)
        y[flip] = float_from(float_bits(y[flip]) ^ 1);
    check_block(r, b, x, y, &t);
    return t;
}

/* --- Running a function. --- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Tests the proofs before they are trusted: one bit is flipped in each of some blocks, and every flip must be found. */
static bool finds_flipped_bits(const Row *r, const Plan *p)
{
    int tried[DIRECT + 1] = { 0 };
    for (size_t k = 0; k < p->count; k += 1 + p->count / 400) {
        const Block *b = &p->at[k];
        if (b->count > 2 && tried[b->proof]++ < 3 && run_block(r, b, b->count * 2 / 3).wrong != 1)
            return false;
    }
    return true;
}

typedef struct { const Row *row; const Plan *plan; double begin; _Atomic uint64_t *wrong, *by_mpfr, *done; } Proving;

static void blocks_part(const void *proving, size_t begin, size_t end, size_t worker)
{
    const Proving *p = proving;
    (void)worker;
    for (size_t k = begin; k < end; k++) {
        Tally t = run_block(p->row, &p->plan->at[k], UINT32_MAX);
        *p->wrong += t.wrong;
        *p->by_mpfr += t.by_mpfr;
        uint64_t count = p->plan->at[k].count, done = atomic_fetch_add(p->done, count) + count;
        if (k % 4096 == 0 && isatty(2))
            fprintf(stderr, "\r%-16s %5.1f %%  %4.0f s ", p->row->f->name, 100 * (double)done / (double)p->plan->floats,
                    now() - p->begin);
    }
}

static bool run(const Row *r, FILE *results)
{
    double begin = now();
    Plan p = plan_make(r);
    _Atomic uint64_t wrong = 0, by_mpfr = 0, done = 0;
    if (p.floats != 1ull << 32 || !finds_flipped_bits(r, &p)) {
        printf("%s: the proof itself is wrong (%llu floats planned)\n", r->f->name, (unsigned long long)p.floats);
        return false;
    }
    team_run(p.count, 16, blocks_part, &(Proving){ r, &p, begin, &wrong, &by_mpfr, &done }, NULL);
    if (isatty(2))
        fprintf(stderr, "\r%60s\r", "");
    char line[160];
    snprintf(line, sizeof line, "%s: %llu floats, %llu wrong, %llu by MPFR, %.0f seconds\n", r->f->name, (unsigned long long)p.floats,
             (unsigned long long)wrong, (unsigned long long)by_mpfr, now() - begin);
    fputs(line, stdout);
    fflush(stdout);
    if (results && wrong == 0) {
        fputs(line, results);
        fflush(results);
    }
    free(p.at);
    return wrong == 0;
}

/* A digest of this program, so that results of another one do not count. */
static uint64_t digest(const char *path)
{
    uint64_t h = 0xcbf29ce484222325u;
    FILE *f = fopen(path, "rb");
    for (int c; f && (c = getc(f)) != EOF;)
        h = (h ^ (unsigned char)c) * 0x100000001b3u;
    if (f)
        fclose(f);
    return h;
}

static bool already_done(FILE *results, uint64_t program, const char *name)
{
    char line[256];
    unsigned long long written_by = 0;
    rewind(results);
    bool same = fgets(line, sizeof line, results) && sscanf(line, "program %llx", &written_by) == 1 && written_by == program;
    while (same && fgets(line, sizeof line, results))
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') {
            fputs(line, stdout);
            return true;
        }
    return false;
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "build/exhaustive_scalar.txt";
    uint64_t program = digest(argv[0]);
    FILE *results = fopen(path, "r+");
    char line[256] = "";
    unsigned long long written_by = 0;
    if (!results || !fgets(line, sizeof line, results) || sscanf(line, "program %llx", &written_by) != 1 || written_by != program) {
        results = results ? freopen(path, "w+", results) : fopen(path, "w+");
        if (results)
            fprintf(results, "program %016llx\n", (unsigned long long)program);
    }
    interpolant_begin();
    bool right = true;
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        bool wanted = argc <= 2;
        for (int a = 2; a < argc; a++)
            wanted |= strcmp(argv[a], rows[k].f->name) == 0;
        if (!wanted || (results && already_done(results, program, rows[k].f->name)))
            continue;
        if (results)
            fseek(results, 0, SEEK_END);
        right &= run(&rows[k], results);
    }
    if (results)
        fclose(results);
    return right ? 0 : 1;
}
