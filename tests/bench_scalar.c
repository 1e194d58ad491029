/* SPDX-License-Identifier: MIT */
/* Nanoseconds per element of every scalar function, on normal activations (sum of twelve uniforms). */
#include <stdio.h>
#include <time.h>
#include "tensor/scalar.h"

enum { N = 1 << 16, ROUNDS = 20, TRIES = 5 };
static float x[N], y[N];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

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

int main(void)
{
    for (const ScalarFunction *const *f = scalar_functions; *f; f++) {
        fill(*f == &scalar_log || *f == &scalar_sqrt || *f == &scalar_rsqrt);
        printf("%-16s %5.2f ns per element, one thread\n", (*f)->name, seconds(*f) / N * 1e9);
    }
    return 0;
}
