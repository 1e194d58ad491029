/* SPDX-License-Identifier: MIT */
/* Nanoseconds per element, on normally distributed data (sums of twelve uniform numbers; log, sqrt and rsqrt get their
 * absolute values): every scalar function on one thread, and activations forward and backward on a tape with all
 * threads. */
#include <stdio.h>
#include "tensor/base/team.h"
#include "tensor/ops.h"
#include "tensor/exact/scalar.h"
#include "tests/bench/stopwatch.h"

enum { N = 1 << 16, ROUNDS = 20, TRIES = 5 };
static float x[N], y[N];

static void fill(bool positive)
{
    uint64_t state = 1;
    for (size_t k = 0; k < N; k++) {
        double sum = -6;
        for (int j = 0; j < 12; j++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            sum += (double)(state >> 40) * 0x1p-24;
        }
        x[k] = (float)(positive && sum < 0 ? -sum : sum);
    }
}

static double seconds(const ScalarFunction *f)
{
    double best = 1e9;
    for (int t = 0; t < TRIES; t++) {
        double begin = now();
        for (int r = 0; r < ROUNDS; r++)
            scalar_map(f, x, y, N, NULL);
        double s = (now() - begin) / ROUNDS;
        best = s < best ? s : best;
    }
    return best;
}

/* The seconds of an activation's forward pass, its derivative and the product with dy, for a [1024, 256] tensor. */
static double tape_seconds(Node *(*op)(Tape *, Node *))
{
    static float dy[4 * N], in[4 * N];
    Error error = { .failed = false };
    Arena arena = arena_make(&error);
    Tape t = tape_make(&arena, &error);
    Shape s = shape_of(2, (size_t)1024, (size_t)256);
    double best = 1e9;
    for (size_t k = 0; k < 4 * N; k++)
        in[k] = dy[k] = x[k % N];
    for (int run = 0; run < ROUNDS; run++) {
        Node *leaf = tape_param(&t, "x", tensor_view(in, s), true), *seed = tape_input(&t, "dy", tensor_view(dy, s));
        double begin = now();
        tape_seed(&t, op(&t, leaf), seed);
        tape_backward(&t);
        double s = now() - begin;
        best = s < best ? s : best;
        tape_reset(&t);
    }
    if (error.failed)
        puts(error.text);
    arena_free(&arena);
    return best;
}

int main(void)
{
    for (const ScalarFunction *const *f = scalar_functions; *f; f++) {
        fill(*f == &scalar_log || *f == &scalar_sqrt || *f == &scalar_rsqrt);
        printf("%-16s %5.2f ns per element, one thread\n", (*f)->name, seconds(*f) / N * 1e9);
    }
    Node *(*const ops[])(Tape *, Node *) = { op_gelu, op_quick_gelu, op_silu };
    for (int k = 0; k < 3; k++)
        printf("%-16s %5.2f ns per element forward and backward, [1024, 256], %d threads\n",
               (const char *[]){ "gelu", "quick_gelu", "silu" }[k], tape_seconds(ops[k]) / (4 * N) * 1e9, (int)team_size());
    return 0;
}
