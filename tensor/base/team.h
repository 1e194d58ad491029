/* SPDX-License-Identifier: MIT */
/* Team: the threads that share the work of an operator.
 *
 *     static void rows(const void *call, size_t begin, size_t end, size_t worker) { … rows begin to end - 1 … }
 *     team_run(n, 64, rows, call, error);           // all n rows, in parts of about 64 or more
 *
 * The items 0 to n - 1 are cut into as many sections as there are threads (at most 64), and a section into parts of
 * `grain` items or more; only the last part of a section may be smaller. Each thread takes the parts of its own
 * section, then the parts that are left in other sections. So a thread mostly works on items whose data it wrote in the
 * run before, and a thread that the system suspends delays only the part that it has taken. The calling thread takes
 * parts too, and waits only for the threads that have joined. A grain should take about ten microseconds; a run of
 * fewer than two grains stays on the calling thread. The parts may run in any order, so `body` must not add
 * floating-point numbers from several parts.
 *
 * There is one team for the whole process. While another thread uses it, and inside a body, all items run on the
 * calling thread, with worker 0. A thread of the team that has nothing to do spins for a short time, and then
 * sleeps. Threads start when they are first needed, and stop when the program ends or the library is unloaded. A
 * child of fork() begins without threads. */
#ifndef PULSE_TENSOR_BASE_TEAM_H
#define PULSE_TENSOR_BASE_TEAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include "tensor/base/error.h"

enum { TEAM_MOST = 4096 };                  // threads

/* `worker` is below the team_size() of the thread that began the run. No two threads of a run have the same number, so
 * it can be the index of a thread's scratch memory. */
typedef void TeamBody(const void *data, size_t begin, size_t end, size_t worker);

/* The floating-point environment of every thread that takes part is checked first; if one is wrong, `e` says so at the
 * end. */
void team_run(size_t n, size_t grain, TeamBody *body, const void *data, Error *e);
/* Waits until no other thread uses the team, then runs body(data, k, k + 1, k) once on each thread k of the team, all
 * at the same time. A call from inside a body runs on the calling thread alone. */
void team_each(TeamBody *body, const void *data, Error *e);

/* The number of threads of a run that the calling thread begins: what that thread has set, else OMP_NUM_THREADS,
 * else the number of processors that this process may use; TEAM_MOST at most. team_set_size returns what was set
 * before; 0 means that nothing is set. */
size_t team_size(void);
size_t team_set_size(size_t threads);
size_t team_processors(void);

/* Starts all threads of team_size(). False, with a sentence: the system does not allow so many, or more than TEAM_MOST
 * were asked for. Runs then use the threads that there are. */
bool team_start(Error *e);

/* Whether the calling thread is inside a body. */
bool team_inside(void);

/* The grain, in rows of `cols` numbers each, with which a part has at least about `numbers` numbers. */
static inline size_t team_grain(size_t numbers, size_t cols)
{
    return cols < numbers ? numbers / (cols ? cols : 1) : 1;
}

/* Sets *least to `value` if `value` is smaller. Several parts may do this to the same number, in any order. */
static inline void team_least(_Atomic size_t *least, size_t value)
{
    size_t now = atomic_load_explicit(least, memory_order_relaxed);
    while (value < now && !atomic_compare_exchange_weak(least, &now, value))
        ;
}

/* For tests: every run is cut into single items and waits until all threads have joined. */
extern bool team_eager;

#endif
