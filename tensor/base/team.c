/* SPDX-License-Identifier: MIT */
/* How a run works:
 *   - The caller publishes a job and opens the gate. `gate` is the number of threads that may still join.
 *   - A thread joins by taking 1 from `gate`. It takes parts of the job until none is left, and adds 1 to `done`.
 *   - The caller takes parts too. Then it closes the gate, which tells how many threads joined, and waits for those.
 * The job does not change between the opening of the gate and the end of that wait.
 *
 * No wake-up is lost. Before a thread sleeps, it adds 1 to `asleep` and lets the system compare the gate once more. The
 * caller opens the gate first and reads `asleep` afterwards. So either the thread sees the open gate, or the caller
 * sees that a thread is asleep. The caller's own sleep works in the same way, with `done` and `waiting`. All these
 * variables are sequentially consistent. */
#define _GNU_SOURCE
#include "tensor/base/team.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "tensor/base/float.h"

// a job has at most SECTIONS sections, and at most about PARTS parts for each of its threads; the clock is read once in
// PAUSES pauses
enum { SPIN_NANOSECONDS = 100000, PAUSES = 64, PARTS = 8, SECTIONS = 64 };

typedef struct {
    TeamBody   *body;
    const void *data;
    size_t      n, part, threads, sections; // the numbers of items, of items in a part, of threads, of sections
    bool        each, together;             // each: one call a thread, no parts; together: begin when all have joined
} Job;

typedef struct { _Alignas(128) _Atomic uint32_t n; } Word;       // takes two cache lines, so that nothing else shares them

static struct {
    pthread_mutex_t callers;                // held by the thread whose job is running
    Job    job;
    Word   gate, done, waiting, asleep;
    struct { _Alignas(128) _Atomic size_t n; } next[SECTIONS];   // the first item of each section that nobody has taken
    _Atomic size_t threads;                 // how many threads the last job could have
    atomic_bool wrong, quit;                // wrong: a thread's floating-point environment is not as expected; quit: all threads must end
    size_t started;                         // how many threads the team has, without the callers
    pthread_t thread[TEAM_MOST - 1];
} team = { .callers = PTHREAD_MUTEX_INITIALIZER };

bool team_eager;

static _Thread_local size_t chosen;         // the size that team_set_size has set; 0: none
static _Thread_local bool inside;           // this thread is running a body
static _Thread_local size_t own;            // the number of a thread of the team, from 1 on; 0 for a caller

/* --- The number of threads --- */

static size_t processors = 1, default_size = 1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static size_t count_processors(void)
{
    enum { MOST = 1 << 16 };
    size_t count = 0;
    for (size_t n = 1024; n <= MOST && count == 0; n *= 4) {
        cpu_set_t *set = CPU_ALLOC(n);
        if (set && sched_getaffinity(0, CPU_ALLOC_SIZE(n), set) == 0)
            count = (size_t)CPU_COUNT_S(CPU_ALLOC_SIZE(n), set);
        CPU_FREE(set);
    }
    return count ? count : 1;
}

static void in_child(void);

static void read_defaults(void)
{
    const char *text = getenv("OMP_NUM_THREADS");
    long asked = text ? strtol(text, NULL, 10) : 0;
    processors = count_processors();
    default_size = asked > 0 ? (size_t)asked : processors < TEAM_MOST ? processors : TEAM_MOST;
    pthread_atfork(NULL, NULL, in_child);
}

size_t team_processors(void)
{
    pthread_once(&once, read_defaults);
    return processors;
}

static size_t wanted(void)
{
    pthread_once(&once, read_defaults);
    return chosen ? chosen : default_size;
}

size_t team_size(void) { return wanted() < TEAM_MOST ? wanted() : TEAM_MOST; }

size_t team_set_size(size_t threads)
{
    size_t before = chosen;
    chosen = threads;
    return before;
}

bool team_inside(void) { return inside; }

/* --- Waiting --- */

static void pause_once(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static uint64_t nanoseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static long futex(_Atomic uint32_t *word, int what, uint32_t value)
{
    return syscall(SYS_futex, (uint32_t *)word, what, value, NULL, NULL, 0);
}

/* Spins for a bounded time until the word has another value; true: it has. With more threads than processors there is
 * almost no spinning, because it would keep the awaited thread from running. */
static bool spin(_Atomic uint32_t *word, uint32_t value)
{
    const uint64_t begin = nanoseconds();
    do {
        for (int k = 0; k < PAUSES; k++, pause_once())
            if (atomic_load(word) != value)
                return true;
    } while (atomic_load(&team.threads) <= processors && nanoseconds() - begin < SPIN_NANOSECONDS);
    return false;
}

/* --- A thread's share of a job --- */

/* Where section k begins, and section k - 1 ends. */
static size_t section(const Job *j, size_t k)
{
    const size_t rest = j->n % j->sections;
    return j->n / j->sections * k + (k < rest ? k : rest);
}

/* Takes parts of section k until none is left. */
static void run_section(const Job *j, size_t k, size_t worker)
{
    const size_t end = section(j, k + 1);
    while (atomic_load(&team.next[k].n) < end) {
        size_t begin = atomic_fetch_add(&team.next[k].n, j->part);
        if (begin < end)
            j->body(j->data, begin, end - begin < j->part ? end : begin + j->part, worker);
    }
}

/* What one thread does for a job: `worker` is its number in this job. */
static void run_share(const Job *j, size_t worker)
{
    Error mine = { 0 };
    float_env_region(&mine);
    if (mine.failed)
        atomic_store(&team.wrong, true);
    inside = true;
    while (j->together && atomic_load(&team.gate.n))             // so that no thread joins twice
        sched_yield();
    if (j->each)
        j->body(j->data, worker, worker + 1, worker);
    else
        for (size_t k = 0; k < j->sections; k++)
            run_section(j, (own + k) % j->sections, worker);
    inside = false;
}

static void *thread_main(void *number)
{
    fesetenv(FE_DFL_ENV);                   // instead of the environment that the thread inherited from its creator
    own = (size_t)(uintptr_t)number;
    for (;;) {
        uint32_t places = atomic_load(&team.gate.n);
        if (atomic_load(&team.quit))
            return NULL;
        if (places && atomic_compare_exchange_strong(&team.gate.n, &places, places - 1)) {
            run_share(&team.job, team.job.threads - places);
            atomic_fetch_add(&team.done.n, 1);
            if (atomic_load(&team.waiting.n))
                futex(&team.done.n, FUTEX_WAKE_PRIVATE, 1);
        } else if (places == 0 && !spin(&team.gate.n, 0)) {
            atomic_fetch_add(&team.asleep.n, 1);
            futex(&team.gate.n, FUTEX_WAIT_PRIVATE, 0);
            atomic_fetch_sub(&team.asleep.n, 1);
        }
    }
}

/* --- Starting and stopping --- */

/* Starts one thread. It blocks all signals except those of its own faults, so that the process's signals go to the
 * user's threads. */
static int start_one(void)
{
    sigset_t all, before;
    sigfillset(&all);
    static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
    for (size_t k = 0; k < sizeof faults / sizeof *faults; k++)
        sigdelset(&all, faults[k]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&team.thread[team.started], NULL, thread_main, (void *)(uintptr_t)(team.started + 1));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    team.started += failure == 0;
    return failure;
}

static int start(size_t threads)
{
    int failure = 0;
    while (failure == 0 && team.started + 1 < threads && !atomic_load(&team.quit))
        failure = start_one();
    return failure;
}

bool team_start(Error *e)
{
    size_t threads = wanted();
    if (threads > TEAM_MOST)
        return error_set(e, "OMP_NUM_THREADS asks for %zu threads, expected at most %d", threads, TEAM_MOST);
    pthread_mutex_lock(&team.callers);
    int failure = start(threads);
    size_t running = team.started + 1;
    pthread_mutex_unlock(&team.callers);
    return failure == 0
        || error_set_kind(e, ERROR_ENVIRONMENT, "thread %zu of %zu cannot be started (%s); expected a higher limit "
                          "(ulimit -u, ulimit -v) or a lower OMP_NUM_THREADS", running + 1, threads, strerror(failure));
}

/* After fork(), the child has none of the team's threads. */
static void in_child(void)
{
    pthread_mutex_init(&team.callers, NULL);
    team.started = 0;
    team.gate.n = team.done.n = team.waiting.n = team.asleep.n = 0;
}

/* Ends the threads before dlclose removes their code, or before the process ends. Nothing is done if the process is
 * ended from inside a body, or while another thread runs a job. */
__attribute__((destructor)) static void stop(void)
{
    if (inside || pthread_mutex_trylock(&team.callers) != 0)
        return;
    atomic_store(&team.quit, true);
    atomic_store(&team.gate.n, UINT32_MAX);                      // nobody sleeps any more
    futex(&team.gate.n, FUTEX_WAKE_PRIVATE, INT_MAX);
    for (; team.started; team.started--)
        pthread_join(team.thread[team.started - 1], NULL);
    pthread_mutex_unlock(&team.callers);
}

/* --- A run --- */

static void open_gate(uint32_t places)
{
    atomic_store(&team.gate.n, places);
    uint32_t asleep = atomic_load(&team.asleep.n);
    if (asleep)
        futex(&team.gate.n, FUTEX_WAKE_PRIVATE, places < asleep ? places : asleep);
}

static void wait_for_all_that_joined(uint32_t joined)
{
    for (uint32_t done; (done = atomic_load(&team.done.n)) < joined;)
        if (!spin(&team.done.n, done)) {
            atomic_store(&team.waiting.n, 1);
            futex(&team.done.n, FUTEX_WAIT_PRIVATE, done);
            atomic_store(&team.waiting.n, 0);
        }
}

/* The calling thread holds team.callers. False: the floating-point environment of a thread is wrong. */
static bool run_job(Job job)
{
    const uint32_t places = (uint32_t)job.threads - 1;
    team.job = job;
    team.threads = job.threads;
    team.wrong = false;
    for (size_t k = 0; k < job.sections; k++)
        team.next[k].n = section(&job, k);
    team.done.n = 0;
    open_gate(places);
    run_share(&team.job, 0);
    wait_for_all_that_joined(places - atomic_exchange(&team.gate.n, 0));
    return !team.wrong;
}

/* Releases the team before the error is written; the Error belongs to the caller alone. */
static void end_job(bool right, Error *e)
{
    pthread_mutex_unlock(&team.callers);
    if (!right && e)
        float_env_fail(e);
}

static void run_alone(size_t n, TeamBody *body, const void *data, Error *e)
{
    bool before = inside;
    float_env_region(e);
    inside = true;
    body(data, 0, n, 0);
    inside = before;
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

void team_run(size_t n, size_t grain, TeamBody *body, const void *data, Error *e)
{
    if (n == 0)
        return;
    grain = grain ? grain : 1;
    size_t parts = team_eager ? team_size() : least(team_size(), n / grain);
    if (parts < 2 || inside || pthread_mutex_trylock(&team.callers) != 0) {
        run_alone(n, body, data, e);
        return;
    }
    start(parts);
    size_t threads = least(parts, team.started + 1), even = n / (threads * PARTS);
    Job job = { .body = body, .data = data, .n = n, .threads = threads, .sections = least(threads, SECTIONS),
                .part = team_eager ? 1 : even > grain ? even : grain, .together = team_eager };
    end_job(run_job(job), e);
}

void team_each(TeamBody *body, const void *data, Error *e)
{
    if (inside) {
        run_alone(1, body, data, e);
        return;
    }
    pthread_mutex_lock(&team.callers);
    start(team_size());
    size_t threads = least(team_size(), team.started + 1);
    end_job(run_job((Job){ .body = body, .data = data, .threads = threads, .each = true, .together = true }), e);
}
