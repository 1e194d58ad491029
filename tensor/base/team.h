/* SPDX-License-Identifier: MIT */
/* Team: the threads that share the work of an operator.
 *
 *     static void rows(const void *call, size_t begin, size_t end, size_t worker) { … rows begin to end - 1 … }
 *     team_run(n, 64, rows, call, error);           // all n rows, at least 64 at a time
 *
 * The items 0 to n - 1 are cut into as many sections as there are threads, and a section into parts of `grain` items or
 * more. Each thread takes the parts of its own section, then those that are left of the others. So a thread mostly
 * meets the items whose data it wrote in the run before, and one that the system keeps from running holds up no more
 * than the part that it has. The thread that calls takes parts too, and waits only for those that have joined. A grain
 * should be worth about ten microseconds; what is not larger runs on the calling thread alone. The parts may run in any
 * order, so `body` adds no floating-point numbers of several parts.
 *
 * The team is one for the whole process. Where another thread uses it meanwhile, and inside of a body, all items run on
 * the calling thread, with worker 0. A thread of the team that has nothing to do spins for a short time, and then
 * sleeps. Threads start when they are first needed. A child of fork() begins with none. They stop when the program or
 * the library is left. */
#ifndef PULSE_TENSOR_BASE_TEAM_H
#define PULSE_TENSOR_BASE_TEAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include "tensor/base/error.h"

enum { TEAM_MOST = 4096 };                  // threads

/* `worker` is below team_size(), and no two threads have the same one at the same time; it is the place of scratch
 * memory. */
typedef void TeamBody(const void *data, size_t begin, size_t end, size_t worker);

/* Every thread that takes part has its floating-point environment checked first: where one is wrong, `e` says so in the
 * end. */
void team_run(size_t n, size_t grain, TeamBody *body, const void *data, Error *e);
/* Runs body(data, k, k + 1, k) once on each thread k of the team, all at the same time, and waits until the team is
 * free. Inside of a body it runs on the calling thread alone. */
void team_each(TeamBody *body, const void *data, Error *e);

/* The number of threads of a run that the calling thread begins: what it has set, else OMP_NUM_THREADS, else the
 * processors that this process may use. team_set_size returns what was set before; 0 is: nothing. */
size_t team_size(void);
size_t team_set_size(size_t threads);
size_t team_processors(void);

/* Starts all threads of team_size(). False, with a sentence: the system does not give as many. A run goes on with those
 * there are. */
bool team_start(Error *e);

/* Whether the calling thread is inside of a body. */
bool team_inside(void);

/* The grain of rows of `cols` numbers each, so that a part has at least `numbers` of them. */
static inline size_t team_grain(size_t numbers, size_t cols)
{
    return cols < numbers ? numbers / (cols ? cols : 1) : 1;
}

/* What several parts may do to one number, in any order. */
static inline void team_least(_Atomic size_t *least, size_t value)
{
    size_t now = atomic_load_explicit(least, memory_order_relaxed);
    while (value < now && !atomic_compare_exchange_weak(least, &now, value))
        ;
}

/* For tests: every run is cut into single items and waits until all threads have joined. */
extern bool team_eager;

#endif
