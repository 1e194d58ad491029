/* SPDX-License-Identifier: MIT */
/* Operators on plain tensors, without a tape: they give the same bits as on a tape, write them where the caller wants
 * them, and can be called by several threads at once. */
#include "tests/tensor/op_bench.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const Tensor *operands(const Node *n, Arena *a)
{
    Tensor *in = arena_array(a, n->n_in, sizeof *in);
    for (size_t k = 0; k < n->n_in; k++)
        in[k] = n->in[k]->out;
    return in;
}

static void every_operator_gives_the_bits_of_the_tape_on_plain_tensors(void **state)
{
    (void)state;
    for (size_t k = 0; k < op_cases_count; k++) {
        Bench b;
        Error error = { 0 };
        Arena scratch = arena_make(&error);
        run_on_tape(&b, &op_cases[k]);
        expect_fine(&b.error);
        for (size_t i = 0; i < b.tape.count; i++) {
            const Node *n = b.tape.nodes[i];
            Tensor out = { .data = NULL };
            if (!n->op)
                continue;
            op_run(n->op, n->n_in, operands(n, &scratch), &n->attrs, &scratch, &error, &out);
            expect_fine(&error);
            expect_tensor(out, n->out, "%s of %s without a tape", n->op->name, op_cases[k].name);
        }
        arena_free(&scratch);
        end(&b);
    }
}

static void the_result_goes_where_the_caller_wants_it_and_scratch_comes_back(void **state)
{
    (void)state;
    for (size_t k = 0; k < op_cases_count; k++) {
        Bench b;
        Error error = { 0 };
        Arena scratch = arena_make(&error);
        run_on_tape(&b, &op_cases[k]);
        const Node *y = b.tape.nodes[op_cases[k].n];         // the inputs are the nodes before it
        const Tensor *in = operands(y, &b.arena);
        Tensor out = tensor_f32(&b.arena, y->out.shape);
        float *mine = out.f32;
        op_run(y->op, y->n_in, in, &y->attrs, &scratch, &error, &out);
        expect_fine(&error);
        assert_ptr_equal(out.f32, mine);
        expect_tensor(out, y->out, "%s into the caller's memory", y->op->name);
        assert_int_equal(scratch.used, 0);
        arena_free(&scratch);
        end(&b);
    }
}

static void a_result_of_another_shape_and_a_wrong_number_of_inputs_are_refused(void **state)
{
    (void)state;
    float six[6] = { 1, 2, 3, 4, 5, 6 };
    Error error = { 0 };
    Arena scratch = arena_make(&error);
    Tensor x = tensor_view(six, shape_of(1, (size_t)6)), in[] = { x, x, x },
        out = tensor_view(six, shape_of(2, (size_t)2, (size_t)3));
    assert_false(op_run(op_find("add"), 2, in, NULL, &scratch, &error, &out));
    expect_sentence(&error, "add", "[2, 3]", "[6]");
    out.data = NULL;
    assert_false(op_run(op_find("add"), 3, in, NULL, &scratch, &error, &out));
    expect_sentence(&error, "add", "3 inputs", "a b");
    assert_false(op_run(op_find("linear"), 1, in, NULL, &scratch, &error, &out));
    expect_sentence(&error, "linear", "1 inputs", "x w bias?");
    arena_free(&scratch);
}

/* The failure is set in the Error of the call, and not in that of the scratch memory. */
static void the_error_of_the_call_says_that_scratch_memory_ran_out(void **state)
{
    (void)state;
    static float x[4096];
    Error of_arena = { 0 }, error = { 0 };
    Arena scratch = arena_make(&of_arena);
    Tensor in = tensor_view(x, shape_of(1, (size_t)4096)), out = { .data = NULL };
    scratch.limit = 4096;
    assert_false(op_run(op_find("exp"), 1, &in, NULL, &scratch, &error, &out));
    assert_int_equal(error.kind, ERROR_MEMORY);
    assert_false(of_arena.failed);
    assert_ptr_equal(scratch.error, &of_arena);
    arena_free(&scratch);
}

/* --- several threads at the same time, each with a context of its own: a tape, an arena and an Error --- */

enum { THREADS = 4 };

typedef struct { pthread_t thread; char (*digest)[65]; } Context;

static void digest_all(char (*digest)[65])
{
    for (size_t k = 0; k < op_cases_count; k++) {
        Bench b;
        Hash h = hash_begin();
        run_on_tape(&b, &op_cases[k]);
        for (size_t i = 0; i < b.tape.count; i++)
            hash_tensor(&h, b.tape.nodes[i]->op ? b.tape.nodes[i]->op->name : "leaf", b.tape.nodes[i]->out);
        hash_text(&h, b.error.text);
        memcpy(digest[k], hash_end(&h).hex, 65);
        end(&b);
    }
}

static void *context_run(void *context)
{
    digest_all(((Context *)context)->digest);
    return NULL;
}

static void contexts_in_several_threads_give_the_same_bits(void **state)
{
    (void)state;
    Context c[THREADS];
    char (*alone)[65] = calloc(op_cases_count, sizeof *alone);
    digest_all(alone);
    for (int i = 0; i < THREADS; i++) {
        c[i].digest = calloc(op_cases_count, sizeof *c[i].digest);
        assert_int_equal(pthread_create(&c[i].thread, NULL, context_run, &c[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(c[i].thread, NULL);
    for (int i = 0; i < THREADS; i++) {
        for (size_t k = 0; k < op_cases_count; k++)
            if (strcmp(c[i].digest[k], alone[k]) != 0)
                fail_msg("%s has other bits when other threads run than when it runs alone", op_cases[k].name);
        free(c[i].digest);
    }
    free(alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operator_gives_the_bits_of_the_tape_on_plain_tensors),
        cmocka_unit_test(the_result_goes_where_the_caller_wants_it_and_scratch_comes_back),
        cmocka_unit_test(a_result_of_another_shape_and_a_wrong_number_of_inputs_are_refused),
        cmocka_unit_test(the_error_of_the_call_says_that_scratch_memory_ran_out),
        cmocka_unit_test(contexts_in_several_threads_give_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
