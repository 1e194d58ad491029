/* SPDX-License-Identifier: MIT */
/* The time of correctly rounded products, compared with cblas_dgemm and cblas_sgemm on the same shapes. The measure is
 * the median of the ratios of neighbouring runs, because the machine may be shared. Our time includes widening, norms,
 * the rounding test and the exact tier. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/base/team.h"
#include "tensor/product/product.h"
#include "tensor/ops.h"
#include "tests/support/check.h"
#include "tests/bench/stopwatch.h"

#if defined(PULSE_BLAS_builtin)
int main(void)
{
    printf("built with BLAS=builtin: there is no other product to compare with\n");
    return 0;
}
#else

enum { RowMajor = 101, NoTrans = 111, Trans = 112, PAIRS = 21 };
static void (*cblas_dgemm)(int layout, int transa, int transb, int m, int n, int k, double alpha, const double *a, int lda,
                           const double *b, int ldb, double beta, double *c, int ldc);
static void (*cblas_sgemm)(int layout, int transa, int transb, int m, int n, int k, float alpha, const float *a, int lda,
                           const float *b, int ldb, float beta, float *c, int ldc);

typedef struct { const char *what; size_t m, n, k; bool ta, tb; double dgemm_goal, sgemm_goal; } Shape3;

/* `what` names the product: y = x w^T (forward), dx = dy w, dw = dy^T x, or a thin product of LoRA (xA: z = x A^T,
 * zB: z B^T, dA: the gradient of A). A goal is the largest time allowed, as a multiple of dgemm's or sgemm's time; 0:
 * there is none. A shape of which one element in a thousand is undecided is over its goal, too. */
static const Shape3 shapes[] = {
    { "y", 400, 96, 96, false, true, 1.35, 2.6 },     { "y", 1440, 96, 96, false, true, 1.35, 2.6 },
    { "y", 1440, 256, 96, false, true, 1.35, 2.6 },   { "y", 1440, 96, 256, false, true, 1.35, 2.6 },
    { "y", 1440, 64, 64, false, true, 1.35, 2.6 },    { "y", 600, 466, 96, false, true, 1.35, 2.6 },
    { "y", 600, 256, 256, false, true, 1.35, 2.6 },   { "y", 600, 1024, 256, false, true, 1.35, 2.6 },
    { "y", 600, 1024, 1024, false, true, 1.35, 2.6 }, { "dx", 1440, 96, 256, false, false, 1.35, 2.6 },
    { "dx", 600, 96, 466, false, false, 1.35, 2.6 },  { "dw", 256, 96, 600, true, false, 1.35, 2.6 },
    { "dw", 96, 256, 1440, true, false, 2.0, 0 },     { "dw", 96, 96, 1440, true, false, 2.0, 0 },
    { "dw", 1024, 256, 2400, true, false, 2.0, 0 },   { "xA", 1440, 16, 96, false, true, 0, 0 },
    { "zB", 1440, 96, 16, false, true, 0, 0 },        { "dA", 16, 96, 1440, true, false, 0, 0 },
};

typedef struct { Arena arena; Error error; Tape tape; Tensor a, b; double *da, *db, *dc; float *sc; } Bench;

static double ours(Bench *x, const Shape3 *s)
{
    tape_reset(&x->tape);
    Node *a = tape_input(&x->tape, "a", x->a), *b = tape_input(&x->tape, "b", x->b);
    double start = now();
    op_matmul(&x->tape, a, s->ta, b, s->tb);
    return now() - start;
}

static double dgemm(Bench *x, const Shape3 *s)
{
    double start = now();
    cblas_dgemm(RowMajor, s->ta ? Trans : NoTrans, s->tb ? Trans : NoTrans, (int)s->m, (int)s->n, (int)s->k, 1, x->da,
                (int)x->a.shape.dim[1], x->db, (int)x->b.shape.dim[1], 0, x->dc, (int)s->n);
    return now() - start;
}

static double sgemm(Bench *x, const Shape3 *s)
{
    double start = now();
    cblas_sgemm(RowMajor, s->ta ? Trans : NoTrans, s->tb ? Trans : NoTrans, (int)s->m, (int)s->n, (int)s->k, 1, x->a.f32,
                (int)x->a.shape.dim[1], x->b.f32, (int)x->b.shape.dim[1], 0, x->sc, (int)s->n);
    return now() - start;
}

static double *widened(Tensor t)
{
    size_t n = shape_size(t.shape);
    double *d = malloc(n * sizeof *d);
    for (size_t k = 0; k < n; k++)
        d[k] = t.f32[k];
    return d;
}

static void bench_shape(Bench *x, Arena *data, const Shape3 *s)
{
    arena_reset(data);
    x->a = data_tensor(data, s->ta ? shape_of(2, s->k, s->m) : shape_of(2, s->m, s->k), DATA_GAUSSIAN, 1);
    x->b = data_tensor(data, s->tb ? shape_of(2, s->n, s->k) : shape_of(2, s->k, s->n), DATA_GAUSSIAN, 2);
    x->da = widened(x->a), x->db = widened(x->b);
    x->dc = malloc(s->m * s->n * sizeof *x->dc), x->sc = malloc(s->m * s->n * sizeof *x->sc);
    double time[PAIRS], to_d[PAIRS], to_s[PAIRS];
    for (int warm = 0; warm < 3; warm++)
        ours(x, s), dgemm(x, s), sgemm(x, s);
    product_stats_reset();
    for (int p = 0; p < PAIRS; p++) {
        time[p] = ours(x, s);
        to_d[p] = time[p] / dgemm(x, s);
        to_s[p] = time[p] / sgemm(x, s);
    }
    ProductStats stats = product_stats();
    double seconds = median(time, PAIRS), d = median(to_d, PAIRS), f = median(to_s, PAIRS);
    double undecided = (double)stats.undecided / (double)stats.elements;
    bool good = (s->dgemm_goal == 0 || d <= s->dgemm_goal) && (s->sgemm_goal == 0 || f <= s->sgemm_goal) && undecided < 1e-3;
    printf("%-3s %5zu x %4zu, K %4zu  %8.1f us  %6.1f GF/s   %5.2f dgemm   %5.2f sgemm   %.1e undecided   %s\n", s->what, s->m, s->n,
           s->k, seconds * 1e6, 2e-9 * (double)(s->m * s->n * s->k) / seconds, d, f, undecided, good ? "" : "over its goal");
    free(x->da), free(x->db), free(x->dc), free(x->sc);
}

/* Attention on one thread, compared with cblas_sgemm head by head. */
static void bench_attention(Bench *x, Arena *data, size_t heads, size_t rows, size_t dim, double goal)
{
    arena_reset(data);
    int32_t segment[4] = { 0, (int32_t)rows, 0, (int32_t)rows };
    Attention at = { segment, 1, heads, heads, dim, false };
    int cols = (int)(heads * dim), n = (int)rows;
    Tensor q = data_tensor(data, shape_of(2, rows, heads * dim), DATA_GAUSSIAN, 1), k = data_tensor(data, q.shape, DATA_GAUSSIAN, 2);
    float *scores = arena_array(data, heads * rows * rows, sizeof *scores), *mixed = arena_array(data, rows * heads * dim, sizeof *mixed);
    double ratio[2][PAIRS], time[2][PAIRS];
    for (int p = -3; p < PAIRS; p++) {
        tape_reset(&x->tape);
        Node *qn = tape_input(&x->tape, "q", q), *kn = tape_input(&x->tape, "k", k);
        double t0 = now();
        Node *s = op_attention_scores(&x->tape, qn, kn, at);
        double t1 = now();
        op_attention_mix(&x->tape, s, kn, at);
        double t2 = now();
        for (size_t h = 0; h < heads; h++)
            cblas_sgemm(RowMajor, NoTrans, Trans, n, n, (int)dim, 1, q.f32 + h * dim, cols, k.f32 + h * dim, cols, 0,
                        scores + h * rows * rows, n);
        double t3 = now();
        for (size_t h = 0; h < heads; h++)
            cblas_sgemm(RowMajor, NoTrans, NoTrans, n, (int)dim, n, 1, scores + h * rows * rows, n, k.f32 + h * dim, cols, 0,
                        mixed + h * dim, cols);
        double t4 = now();
        if (p >= 0) {
            time[0][p] = t1 - t0, time[1][p] = t2 - t1;
            ratio[0][p] = (t1 - t0) / (t3 - t2), ratio[1][p] = (t2 - t1) / (t4 - t3);
        }
    }
    for (int side = 0; side < 2; side++) {
        double r = median(ratio[side], PAIRS);
        printf("%-6s %2zu heads of %zu x %zu x %zu, one thread  %8.1f us   %5.2f sgemm   %s\n", side ? "mix" : "scores", heads, rows,
               side ? rows : dim, side ? dim : rows, median(time[side], PAIRS) * 1e6, r, r <= goal ? "" : "over its goal");
    }
}

static bool library_open(void)
{
    void *library = *PULSE_BLAS_PATH ? dlopen(PULSE_BLAS_PATH, RTLD_NOW | RTLD_LOCAL) : NULL;
    void *d = library ? dlsym(library, "cblas_dgemm") : NULL, *s = library ? dlsym(library, "cblas_sgemm") : NULL;
    memcpy(&cblas_dgemm, &d, sizeof d);
    memcpy(&cblas_sgemm, &s, sizeof s);
    return d && s;
}

/* Sets one thread for both sides: our team, and the OpenMP runtime of the library. */
static void use_one_thread(void)
{
    void *library = dlopen(PULSE_BLAS_PATH, RTLD_NOW | RTLD_LOCAL), *f = library ? dlsym(library, "omp_set_num_threads") : NULL;
    void (*set)(int) = NULL;
    memcpy(&set, &f, sizeof f);
    if (set)
        set(1);
    team_set_size(1);
}

int main(void)
{
    static Bench x;
    if (!library_open()) {
        printf("there is no library at '%s' to compare with\n", PULSE_BLAS_PATH);
        return 0;
    }
    Arena data = arena_make(&x.error);
    x.arena = arena_make(&x.error);
    x.tape = tape_make(&x.arena, &x.error);
    printf("%s\n%d threads; time, and times that of the engine's own dgemm (on doubles) and sgemm\n", product_engine(),
           (int)team_size());
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
        bench_shape(&x, &data, &shapes[k]);
    use_one_thread();
    bench_attention(&x, &data, 32, 64, 16, 2.2);
    bench_attention(&x, &data, 4, 64, 24, 2.2);
    bench_attention(&x, &data, 4, 200, 24, 2.2);
    bench_attention(&x, &data, 8, 600, 64, 2.2);
    if (x.error.failed)
        fprintf(stderr, "%s\n", x.error.text);
    arena_free(&data);
    arena_free(&x.arena);
    return x.error.failed;
}
#endif
