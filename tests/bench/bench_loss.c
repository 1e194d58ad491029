/* SPDX-License-Identifier: MIT */
/* The time of softmax, in ns per element, and of attention's softmax, in ns per row; the median of several runs. If
 * python3-torch is installed, the time of softmax forward and backward is also given as a multiple of PyTorch's on as
 * many threads. */
#include <stdio.h>
#include <stdlib.h>
#include "tensor/base/team.h"
#include "tensor/ops.h"
#include "tests/support/check.h"
#include "tests/bench/stopwatch.h"

enum { ROWS = 1024, COLS = 256, RUNS = 101, SAMPLES = 40, HEADS = 4, LENGTH = 36 };

static Error error;
static Arena arena;

typedef void Work(Tape *t, float *x, float *dy);

static void softmax_only(Tape *t, float *x, float *dy)
{
    (void)dy;
    op_softmax(t, tape_input(t, "x", tensor_view(x, shape_of(2, (size_t)ROWS, (size_t)COLS))));
}

static void softmax_both(Tape *t, float *x, float *dy)
{
    Shape s = shape_of(2, (size_t)ROWS, (size_t)COLS);
    op_softmax_grad(t, op_softmax(t, tape_input(t, "x", tensor_view(x, s))), tape_input(t, "dy", tensor_view(dy, s)));
}

static void log_softmax(Tape *t, float *x, float *dy)
{
    (void)dy;
    op_log_softmax(t, tape_input(t, "x", tensor_view(x, shape_of(2, (size_t)ROWS, (size_t)COLS))));
}

static Attention packed(void)
{
    static int32_t segments[4 * SAMPLES];
    for (int32_t s = 0; s < SAMPLES; s++)
        for (int k = 0; k < 4; k++)
            segments[4 * s + k] = k % 2 ? LENGTH : LENGTH * s;
    return (Attention){ segments, SAMPLES, HEADS, HEADS, 16, true };
}

static void attention_softmax_both(Tape *t, float *x, float *dy)
{
    Shape s = shape_of(1, (size_t)SAMPLES * HEADS * LENGTH * LENGTH);
    Node *p = op_attention_softmax(t, tape_input(t, "x", tensor_view(x, s)), packed());
    op_attention_softmax_grad(t, p, tape_input(t, "dy", tensor_view(dy, s)), packed());
}

static double seconds(Work *work)
{
    static float x[ROWS * COLS], dy[ROWS * COLS];
    double times[RUNS];
    data_fill(DATA_GAUSSIAN, 1, x, ROWS * COLS);
    data_fill(DATA_GAUSSIAN, 2, dy, ROWS * COLS);
    Tape t = tape_make(&arena, &error);
    for (int k = 0; k < RUNS; k++) {
        double begin = now();
        work(&t, x, dy);
        times[k] = now() - begin;
        tape_reset(&t);
    }
    return median(times, RUNS);
}

/* PyTorch's seconds for softmax forward + backward; 0 without PyTorch. */
static double torch_seconds(int threads)
{
    char command[1024], line[64] = "";
    snprintf(command, sizeof command, "python3 -c 'import torch, time\n"
             "torch.set_num_threads(%d); x = torch.randn(%d, %d, requires_grad=True); g = torch.randn(%d, %d); r = []\n"
             "for k in range(%d):\n"
             "  b = time.perf_counter(); torch.softmax(x, 1).backward(g); r.append(time.perf_counter() - b); x.grad = None\n"
             "print(sorted(r)[%d])' 2>/dev/null", threads, ROWS, COLS, ROWS, COLS, RUNS, RUNS / 2);
    FILE *f = popen(command, "r");
    if (f && !fgets(line, sizeof line, f))
        line[0] = 0;
    if (f)
        pclose(f);
    return strtod(line, NULL);
}

int main(void)
{
    arena = arena_make(&error);
    int threads = team_size() < 2 ? 1 : 2;
    team_set_size(threads);
    const double n = ROWS * COLS, rows = SAMPLES * HEADS * LENGTH;
    double both = seconds(softmax_both), torch = torch_seconds(threads);
    printf("softmax forward             %6.2f ns/element (%d threads, %dx%d)\n", 1e9 * seconds(softmax_only) / n, threads, ROWS, COLS);
    printf("softmax forward + backward  %6.2f ns/element", 1e9 * both / n);
    printf(torch > 0 ? ", %.2f times PyTorch's %.2f\n" : "\n", both / torch, 1e9 * torch / n);
    printf("log_softmax                 %6.2f ns/element\n", 1e9 * seconds(log_softmax) / n);
    printf("attention softmax forward + backward %5.0f ns/row (causal, 1 to %d keys)\n",
           1e9 * seconds(attention_softmax_both) / rows, LENGTH);
    arena_free(&arena);
    return error.failed;
}
