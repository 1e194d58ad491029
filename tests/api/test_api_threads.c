/* SPDX-License-Identifier: MIT */
/* Several contexts in several threads, and a context after fork(), give the same bits without a deadlock. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/api/api_stand.h"

#define FOLDER "fixtures/vectors/v1/models/tiny-llava-a"

enum { THREADS = 4, ROUNDS = 3, ROWS = 90, COLS = 70, TOKENS = 9, VOCABULARY = 320, NUMBERS = ROWS * COLS + ROWS + VOCABULARY + 2 };

/* A thread and its results. `number` holds, in this order: a softmax, the first row of a product, the logits that the
 * shared model gives after the first token, a loss, a generated token. */
typedef struct {
    pthread_t thread;
    const pulse_model *model;
    int32_t threads;                                                   // pulse_options.threads
    bool good;                                                         // every call so far succeeded
    float number[NUMBERS];
} Worker;

static void fill(float *x, size_t n)
{
    for (size_t k = 0; k < n; k++)
        x[k] = (float)(int)(k * 2654435761u % 1000) / 500 - 1;
}

static bool operators(pulse_context *c, float *to)
{
    float x[ROWS * COLS], w[ROWS * COLS], y[ROWS * ROWS];
    fill(x, ROWS * COLS);
    fill(w, ROWS * COLS);
    const pulse_tensor in[] = { { PULSE_F32, 2, { ROWS, COLS }, x }, { PULSE_F32, 2, { ROWS, COLS }, w } };
    const pulse_tensor product = { PULSE_F32, 2, { ROWS, ROWS }, y }, rows = { PULSE_F32, 2, { ROWS, COLS }, to };
    if (pulse_op(c, "linear", in, 2, NULL, 0, NULL, 0, &product) != PULSE_OK
        || pulse_op(c, "softmax", in, 1, NULL, 0, NULL, 0, &rows) != PULSE_OK)
        return false;
    memcpy(to + ROWS * COLS, y, ROWS * sizeof *to);
    return true;
}

static bool model_and_loss(pulse_context *c, const pulse_model *model, float *to)
{
    static const int32_t ids[TOKENS] = { 1, 5, 9, 20, 30, 7, 8, 40, 2 }, offsets[2] = { 0, TOKENS };
    const pulse_sample sample = { 0, TOKENS, ids, NULL, NULL, 0 };
    pulse_result *got = NULL;
    pulse_tensor logits;
    bool good = pulse_forward(c, model, &sample, 1, &got) == PULSE_OK
        && pulse_result_find(c, got, "logits", &logits) == PULSE_OK;
    if (good) {
        const pulse_part part = { PULSE_FORGET, TOKENS, logits.dims[1], 1, logits.data, NULL, ids, offsets, NULL };
        memcpy(to, logits.data, VOCABULARY * sizeof *to);
        good = pulse_loss(c, "ga", &part, 1, NULL, 0, to + VOCABULARY) == PULSE_OK;
    }
    pulse_result_close(got);
    int32_t token = 0;
    size_t count;
    good &= pulse_generate(c, model, &sample, -1, &token, 1, &count) == PULSE_OK;
    to[VOCABULARY + 1] = (float)token;
    return good;
}

static void *work(void *worker)
{
    Worker *w = worker;
    w->good = true;
    for (int k = 0; k < ROUNDS && w->good; k++) {
        pulse_context *c;
        w->good = pulse_open(&(pulse_options){ .threads = w->threads }, &c) == PULSE_OK && operators(c, w->number)
            && model_and_loss(c, w->model, w->number + ROWS * COLS + ROWS);
        pulse_close(c);
    }
    return NULL;
}

static void contexts_in_several_threads_share_a_model_and_give_the_same_bits(void **state)
{
    (void)state;
    pulse_model *model;
    Worker alone = { .threads = 1 }, *w = calloc(THREADS, sizeof *w);
    expect_ok(pulse_model_open(ctx, FOLDER, NULL, &model));
    alone.model = model;
    work(&alone);
    assert_true(alone.good);
    for (int i = 0; i < THREADS; i++) {
        w[i].model = model;
        w[i].threads = 1 + i % 3;
        assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(w[i].thread, NULL);
        assert_true(w[i].good);
        assert_memory_equal(w[i].number, alone.number, sizeof alone.number);
    }
    free(w);
    pulse_model_close(model);
}

/* The exit code of the child: 0 if two contexts gave the right bits: a new one, and `ctx`, opened before the fork. */
static int child(const pulse_model *model, const float *want)
{
    static Worker fresh;
    float old[ROWS * COLS + ROWS];
    fresh.model = model;
    fresh.threads = 2;
    alarm(60);                                                         // kills the child if it is in a deadlock
    work(&fresh);
    return !fresh.good || memcmp(fresh.number, want, sizeof fresh.number) != 0
        || !operators(ctx, old) || memcmp(old, want, sizeof old) != 0;
}

static void a_forked_child_computes_the_same_bits(void **state)
{
    (void)state;
    static Worker parent;
    pulse_model *model;
    int status;
    expect_ok(pulse_model_open(ctx, FOLDER, NULL, &model));
    parent.model = model;
    parent.threads = 2;
    work(&parent);                                                     // now the team has threads, which fork() does not copy
    assert_true(parent.good);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(child(model, parent.number));
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    pulse_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contexts_in_several_threads_share_a_model_and_give_the_same_bits),
        cmocka_unit_test(a_forked_child_computes_the_same_bits),
    };
    return cmocka_run_group_tests(tests, context_open, context_close);
}
