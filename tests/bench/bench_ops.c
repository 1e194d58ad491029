/* SPDX-License-Identifier: MIT */
/* Every operator of one training step of the shipped model (shipped_step.h): its share of the step, and its time as a
 * multiple of its limit.
 *
 * The step is recorded once; then each node of its tape is run again on its own operands. The limit of a node is other
 * work, which is timed just before the node: for linear and matmul, if there is an OpenBLAS, cblas_dgemm of the same
 * shape; otherwise a copy that moves as many bytes, read and written together, as the operands and the result have. A
 * round runs all nodes in their order. The time of an operator in a round is the sum over its nodes; the table shows
 * the median of ROUNDS rounds. The ratio to the limit is formed within each round, because the machine may be shared;
 * the table shows the median of these ratios. bench_ops.py adds PyTorch's times; for it, `bench_ops --list` prints the
 * shapes. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/base/team.h"
#include "tensor/ops.h"
#include "tests/bench/shipped_step.h"
#include "tests/bench/stopwatch.h"

enum { ROUNDS = 9, WARM = 2, LIST_MAX = 64 };

typedef struct {
    const Op *op;
    size_t calls, bytes;
    double time[ROUNDS], limit[ROUNDS];
    double to_limit;                    // the median of the ratios time/limit
    bool   product;                     // the limit is dgemm
} Line;

static void (*dgemm)(int layout, int transa, int transb, int m, int n, int k, double alpha, const double *a, int lda, const double *b,
                     int ldb, double beta, double *c, int ldc);

static void dgemm_open(void)
{
    void *blas = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL), *found = blas ? dlsym(blas, "cblas_dgemm") : NULL;
    memcpy(&dgemm, &found, sizeof dgemm);
}

static bool is_product(const Node *n)
{
    return strcmp(n->op->name, "linear") == 0 || strcmp(n->op->name, "matmul") == 0;
}

static size_t bytes_of(const Node *n)
{
    size_t bytes = tensor_bytes(n->out);
    for (size_t k = 0; k < n->n_in; k++)
        bytes += tensor_bytes(n->in[k]->out);
    return bytes;
}

/* The seconds of a node's kernel on its own operands. */
static double node_time(const Node *n, Arena *scratch, Error *e)
{
    Tensor in[LIST_MAX], out = { .shape = { 0, { 0 } } };
    if (n->n_in > LIST_MAX)
        return 0;
    for (size_t k = 0; k < n->n_in; k++)
        in[k] = n->in[k]->out;
    arena_reset(scratch);
    double start = now();
    op_run(n->op, n->n_in, in, &n->attrs, scratch, e, &out);
    return now() - start;
}

/* The seconds of the limit: dgemm of rows x cols x length, or a copy of half of bytes_of(n), because a copy reads each
 * byte and writes it too. `buffer` has `size` bytes. */
static double limit_time(const Node *n, double *buffer, size_t size)
{
    double start = now();
    if (is_product(n) && dgemm) {
        const size_t all = shape_size(n->out.shape), rows = shape_rows(n->out.shape), cols = all / rows;
        const bool turned = n->op->name[0] == 'm' && n->attrs.n[MATMUL_TRANSPOSE_A];
        const size_t length = turned ? n->in[0]->out.shape.dim[0] : shape_cols(n->in[0]->out.shape);
        double *a = buffer, *b = a + rows * length, *c = b + cols * length;
        dgemm(101, turned ? 112 : 111, 112, (int)rows, (int)cols, (int)length, 1, a, turned ? (int)rows : (int)length, b, (int)length, 0, c,
              (int)cols);
    } else if (bytes_of(n) / 2 < size / 2)
        memcpy((char *)buffer, (char *)buffer + size / 2, bytes_of(n) / 2);
    return now() - start;
}

static Line *line_of(Line *lines, size_t *count, const Op *op)
{
    for (size_t k = 0; k < *count; k++)
        if (lines[k].op == op)
            return &lines[k];
    lines[*count] = (Line){ .op = op };
    return &lines[(*count)++];
}

static void shapes_print(const Tape *t)
{
    char text[64];
    for (size_t k = 0; k < t->count; k++) {
        const Node *n = t->nodes[k];
        if (!n->op)
            continue;
        printf("%s\t%lld\t%lld", n->op->name, (long long)n->attrs.n[0], (long long)n->attrs.n[1]);
        for (size_t i = 0; i < n->n_in; i++)
            printf("\t%s", shape_text(n->in[i]->out.shape, text));
        printf("\n");
    }
}

static int slower_first(const void *a, const void *b)
{
    const double x = ((const Line *)a)->time[ROUNDS / 2], y = ((const Line *)b)->time[ROUNDS / 2];
    return (x < y) - (x > y);
}

static void measure(const Tape *t, Line *lines, size_t *count, Error *e)
{
    enum { BUFFER_BYTES = 256 << 20 };
    Arena scratch = arena_make(e);
    double *buffer = calloc(1, BUFFER_BYTES);
    for (int round = -WARM; buffer && round < ROUNDS && !e->failed; round++)
        for (size_t k = 0; k < t->count; k++) {
            const Node *n = t->nodes[k];
            if (!n->op)
                continue;
            Line *line = line_of(lines, count, n->op);
            const double limit = limit_time(n, buffer, BUFFER_BYTES), time = node_time(n, &scratch, e);
            if (round < 0)
                continue;
            line->calls += round == 0;
            line->bytes += round == 0 ? bytes_of(n) : 0;
            line->product = is_product(n) && dgemm;
            line->time[round] += time;
            line->limit[round] += limit;
        }
    free(buffer);
    arena_free(&scratch);
}

static void table_print(Line *lines, size_t count)
{
    double all = 0;
    for (size_t k = 0; k < count; k++) {
        double ratio[ROUNDS];
        for (int r = 0; r < ROUNDS; r++)
            ratio[r] = lines[k].time[r] / lines[k].limit[r];
        lines[k].to_limit = median(ratio, ROUNDS);
        median(lines[k].time, ROUNDS);       // sorts them, so that the median is time[ROUNDS / 2]
        all += lines[k].time[ROUNDS / 2];
    }
    qsort(lines, count, sizeof *lines, slower_first);
    printf("%-24s %6s %9s %7s %10s\n", "operator", "calls", "ms", "share", "to limit");
    for (size_t k = 0; k < count; k++)
        printf("%-24s %6zu %9.3f %6.1f%% %7.2f %s\n", lines[k].op->name, lines[k].calls, 1e3 * lines[k].time[ROUNDS / 2],
               100 * lines[k].time[ROUNDS / 2] / all, lines[k].to_limit, lines[k].product ? "dgemm" : "copy");
    printf("%-24s %6s %9.3f   with %d threads\n", "all operators", "", 1e3 * all, (int)team_size());
}

int main(int argc, char **argv)
{
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    ShippedStep s;
    Line *lines = calloc(ops_count, sizeof *lines);
    size_t count = 0;
    bool good = lines && shipped_step_make(&s, &a, &e) && train_compute(&s.trainer, &s.objective, &e);
    dgemm_open();
    if (good && argc > 1 && strcmp(argv[1], "--list") == 0)
        shapes_print(&s.trainer.tape);
    else if (good) {
        measure(&s.trainer.tape, lines, &count, &e);
        table_print(lines, count);
    }
    if (!good || e.failed)
        fprintf(stderr, "bench_ops: %s\n", e.text);
    free(lines);
    arena_free(&a);
    return good && !e.failed ? 0 : 2;
}
