/* SPDX-License-Identifier: MIT */
/* Every parallel region checks the floating-point environment of its threads: if one of them flushes subnormals to
 * zero, the call of the operator fails, so that no wrong result is given. */
#include "tests/tensor/op_bench.h"

#include <string.h>
#include "tensor/base/float.h"
#include "tensor/base/team.h"

#ifdef __SSE2__
#include <xmmintrin.h>

enum { WORKERS = 3, FLUSH = 0x8000 };       // FLUSH: the bit FTZ (flush to zero) of the register MXCSR

typedef struct { bool on, first; } Flush;

static void flush_one(const void *context, size_t begin, size_t end, size_t worker)
{
    const Flush *f = context;
    (void)begin, (void)end;
    if ((worker == 0) == f->first)
        _mm_setcsr(f->on ? _mm_getcsr() | FLUSH : _mm_getcsr() & ~(unsigned)FLUSH);
}

/* Sets or clears FTZ: if `first`, in the first thread, which is the caller; else in all other threads. */
static void flush(bool on, bool first) { team_each(flush_one, &(Flush){ on, first }, NULL); }

/* Runs the call of a case while the threads of flush(true, first) flush. True: the call failed because of the
 * environment. */
static bool refused(const OpCase *c, bool first)
{
    Bench b;
    Error error = { 0 };
    Tensor out = { .data = NULL };
    begin(&b);
    put_inputs(&b, c);
    const Node *y = c->make(&b.tape, b.x);
    expect_fine(&b.error);
    Tensor *in = arena_array(&b.arena, y->n_in, sizeof *in);
    for (size_t k = 0; k < y->n_in; k++)
        in[k] = y->in[k]->out;
    flush(true, first);
    bool done = op_run(y->op, y->n_in, in, &y->attrs, &b.arena, &error, &out);
    flush(false, first);
    bool told = error.failed && error.kind == ERROR_ENVIRONMENT && strstr(error.text, "floating-point environment");
    if (error.failed && !told)
        fail_msg("%s: %s", c->name, error.text);
    assert_true(done == !error.failed);
    end(&b);
    return told;
}

/* These operators run on the calling thread alone: they only move or compare numbers, or their work is short. */
static const char *const serial[] = {
    "reshape", "transpose", "concat_rows", "slice_rows", "gather_rows", "broadcast_rows", "patches", "mask", "argmax",
    "clip_factor",
};

static bool is_serial(const char *name)
{
    for (size_t k = 0; k < sizeof serial / sizeof *serial; k++)
        if (strcmp(serial[k], name) == 0)
            return true;
    return false;
}

static void a_worker_that_flushes_subnormals_makes_the_call_fail(void **state)
{
    (void)state;
    if (!check_can_flush())
        skip();
    team_set_size(WORKERS);
    team_eager = true;
    int wrong = 0;
    for (size_t k = 0; k < op_cases_count; k++)
        if (refused(&op_cases[k], false) == is_serial(op_cases[k].name)) {
            const char *why = is_serial(op_cases[k].name) ? "it is not serial" : "a worker that flushes is not seen";
            print_error("%s: %s\n", op_cases[k].name, why);
            wrong++;
        }
    assert_int_equal(wrong, 0);
}

static void a_caller_that_flushes_subnormals_makes_every_call_fail(void **state)
{
    (void)state;
    if (!check_can_flush())
        skip();
    for (size_t k = 0; k < op_cases_count; k++)
        if (!refused(&op_cases[k], true))
            fail_msg("%s: a caller that flushes is not seen", op_cases[k].name);
}

#endif

static void the_environment_of_ieee_754_is_accepted(void **state)
{
    (void)state;
    Error error = { 0 };
    assert_true(float_env_check_threads(&error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_of_ieee_754_is_accepted),
#ifdef __SSE2__
        cmocka_unit_test(a_worker_that_flushes_subnormals_makes_the_call_fail),
        cmocka_unit_test(a_caller_that_flushes_subnormals_makes_every_call_fail),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
