/* SPDX-License-Identifier: MIT */
/* The threads that share the work of an operator: every item is computed once, whichever
 * thread asks for it and when. */
#include "tests/support/stand.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tensor/base/team.h"

enum { MOST = 5000, SIZES = 4 };

static const size_t sizes[SIZES] = { 1, 2, 3, 7 };

typedef struct {
    _Atomic int taken[MOST];
    atomic_bool busy[8];                // a worker's place is in use
    atomic_int  faults, calls;
} Items;

static void take(const void *context, size_t begin, size_t end, size_t worker)
{
    Items *items = *(Items *const *)context;
    items->calls++;
    items->faults += begin >= end || end > MOST || worker >= 8 || atomic_exchange(&items->busy[worker], true);
    for (size_t k = begin; k < end; k++)
        items->taken[k]++;
    items->busy[worker] = false;
}

static bool each_once(const Items *items, size_t n)
{
    for (size_t k = 0; k < MOST; k++)
        if (items->taken[k] != (k < n))
            return false;
    return items->faults == 0;
}

static void every_item_is_taken_once(void **state)
{
    (void)state;
    static const size_t counts[] = { 0, 1, 2, 3, 10, 63, 1000, MOST }, grains[] = { 0, 1, 7, 600, 9999 };
    static Items items, *context = &items;
    for (size_t s = 0; s < SIZES; s++)
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
            for (size_t g = 0; g < sizeof grains / sizeof *grains; g++)
                for (int eager = 0; eager < 2; eager++) {
                    memset(&items, 0, sizeof items);
                    team_set_size(sizes[s]);
                    team_eager = eager;
                    team_run(counts[c], grains[g], take, &context, &error);
                    team_eager = false;
                    if (!each_once(&items, counts[c]))
                        fail_msg("%zu items on %zu threads, grain %zu: not once each", counts[c], sizes[s], grains[g]);
                }
    expect_fine(&error);
}

static void fewer_items_than_two_grains_are_one_call(void **state)
{
    (void)state;
    static Items items, *context = &items;
    memset(&items, 0, sizeof items);
    team_set_size(3);
    team_run(1999, 1000, take, &context, NULL);
    assert_int_equal(items.calls, 1);
}

/* Adds the number of items to *calls: team_each has one item for each thread. */
static void count(const void *calls, size_t begin, size_t end, size_t worker)
{
    (void)worker;
    atomic_fetch_add(*(atomic_int *const *)calls, (int)(end - begin));
}

static void team_each_makes_one_call_for_each_thread(void **state)
{
    (void)state;
    for (size_t s = 0; s < SIZES; s++) {
        atomic_int calls = 0, *context = &calls;
        team_set_size(sizes[s]);
        team_each(count, &context, &error);
        assert_int_equal(calls, (int)sizes[s]);
    }
    expect_fine(&error);
}

// calls: the items of the inner runs; elsewhere: how often an inner body ran on another thread than the outer one
typedef struct { atomic_int *calls, *elsewhere; } Inner;

static void note_thread(const void *context, size_t begin, size_t end, size_t worker)
{
    const struct { const Inner *inner; pthread_t thread; } *n = context;
    *n->inner->elsewhere += worker != 0 || !pthread_equal(n->thread, pthread_self());
    *n->inner->calls += (int)(end - begin);
}

static void run_inside(const void *context, size_t begin, size_t end, size_t worker)
{
    const struct { const Inner *inner; pthread_t thread; } n = { context, pthread_self() };
    (void)worker;
    for (size_t k = begin; k < end; k++) {
        team_run(100, 1, note_thread, &n, NULL);
        team_each(note_thread, &n, NULL);
    }
}

static void a_run_inside_of_a_body_stays_on_its_thread(void **state)
{
    (void)state;
    atomic_int calls = 0, elsewhere = 0;
    team_set_size(3);
    assert_false(team_inside());
    team_run(40, 1, run_inside, &(Inner){ &calls, &elsewhere }, &error);
    assert_false(team_inside());
    assert_int_equal(calls, 40 * 101);
    assert_int_equal(elsewhere, 0);
}

/* --- Several callers --- */

/* Returns `good`, or NULL if a run took more or fewer items than it has. */
static void *many_runs(void *good)
{
    static const size_t n = 300;
    for (int round = 0; round < 300; round++) {
        atomic_int calls = 0, *context = &calls;
        team_set_size(sizes[round % SIZES]);
        team_run(n, 1 + (size_t)round % 50, count, &context, NULL);
        if (calls != (int)n)
            return NULL;
    }
    return good;
}

static void several_threads_may_ask_at_the_same_time(void **state)
{
    (void)state;
    enum { CALLERS = 4 };
    pthread_t thread[CALLERS];
    for (int k = 0; k < CALLERS; k++)
        assert_int_equal(pthread_create(&thread[k], NULL, many_runs, &error), 0);
    for (int k = 0; k < CALLERS; k++) {
        void *good;
        pthread_join(thread[k], &good);
        assert_non_null(good);
    }
}

/* With team_eager a run waits for all threads, so it would wait for ever if a thread were not woken. */
static void threads_that_sleep_are_woken(void **state)
{
    (void)state;
    team_set_size(3);
    team_eager = true;
    for (int round = 0; round < 60; round++) {
        atomic_int calls = 0, *context = &calls;
        team_run(3, 1, count, &context, &error);
        assert_int_equal(calls, 3);
        usleep(round % 3 * 400u);
    }
    team_eager = false;
}

static void a_forked_child_has_a_team_of_its_own(void **state)
{
    (void)state;
    int status = 1;
    team_set_size(3);
    atomic_int calls = 0, *context = &calls;
    team_each(count, &context, &error);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(60);                      // kills a child that waits for ever
        team_each(count, &context, &error);
        _exit(calls == 6 && many_runs(&error) ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(calls, 3);
}

/* --- The number of threads --- */

static void the_size_is_what_was_set_or_else_that_of_the_environment(void **state)
{
    (void)state;
    assert_true(team_processors() >= 1);
    assert_int_equal(team_set_size(5), 0);
    assert_int_equal(team_size(), 5);
    team_set_size(0);
    const char *variable = getenv("OMP_NUM_THREADS");
    assert_int_equal(team_size(), variable ? strtoul(variable, NULL, 10) : team_processors());
}

static void more_threads_than_a_team_may_have_are_refused(void **state)
{
    (void)state;
    team_set_size(TEAM_MOST + 1);
    assert_false(team_start(&error));
    assert_non_null(strstr(error.text, "expected at most 4096"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        stand_test(every_item_is_taken_once),
        stand_test(fewer_items_than_two_grains_are_one_call),
        stand_test(team_each_makes_one_call_for_each_thread),
        stand_test(a_run_inside_of_a_body_stays_on_its_thread),
        stand_test(several_threads_may_ask_at_the_same_time),
        stand_test(threads_that_sleep_are_woken),
        stand_test(a_forked_child_has_a_team_of_its_own),
        stand_test(the_size_is_what_was_set_or_else_that_of_the_environment),
        stand_test(more_threads_than_a_team_may_have_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
