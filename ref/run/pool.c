/* SPDX-License-Identifier: MIT */
/* The pool runs each stage that is not finished in a process of its own. Of the stages that can start, it first starts
 * the one with which the costliest chain of stages begins. The processes share the threads; how many threads a process
 * gets does not change its results. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "eval/manifest.h"
#include "ref/cli/progress.h"
#include "ref/run/run.h"

#define SELF "/proc/self/exe"          // this very program, even if its file was replaced in the meantime
enum { WORDS_MAX = 512, NOT_STARTED = 127 };
typedef enum { WAITING, RUNNING, DONE } State;

typedef struct {
    Run     *run;
    RunTimes *times;
    State   *state;
    pid_t   *process;
    int     *held;                       // the threads that each running stage has
    double  *began, *chain;              // chain: the cost of the costliest chain of stages that begins with this one
    int      free;                       // the threads that no stage has
    char   **argv;
    int      argc;
} Pool;

static bool ready(const Pool *p, size_t k)
{
    const Stage *s = &p->run->plan.stage[k];
    for (size_t i = 0; i < s->inputs; i++)
        if (p->state[s->input[i]] != DONE)
            return false;
    return p->state[k] == WAITING;
}

/* Fills p->chain from the last stage to the first, because in the plan each stage comes after its inputs. */
static void chain_costs(Pool *p)
{
    const Plan *plan = &p->run->plan;
    for (size_t k = plan->stage_count; k-- > 0;) {
        p->chain[k] += p->state[k] == DONE ? 0 : plan->stage[k].cost;
        for (size_t i = 0; i < plan->stage[k].inputs; i++) {
            double *before = &p->chain[plan->stage[k].input[i]];
            *before = p->chain[k] > *before ? p->chain[k] : *before;
        }
    }
}

/* The stage to start next; NO_STAGE: none is ready. *ready_count: how many are ready. */
static size_t next_stage(const Pool *p, size_t *ready_count)
{
    size_t best = NO_STAGE;
    *ready_count = 0;
    for (size_t k = 0; k < p->run->plan.stage_count; k++)
        if (ready(p, k)) {
            ++*ready_count;
            if (best == NO_STAGE || p->chain[k] > p->chain[best])
                best = k;
        }
    return best;
}

static bool start(Pool *p, size_t k, int threads, Error *e)
{
    char number[16], *words[WORDS_MAX];
    int n = 0;
    snprintf(number, sizeof number, "%d", threads);
    words[n++] = (char *)SELF;
    for (int i = 0; i < p->argc && n < WORDS_MAX - 8; i++)
        words[n++] = p->argv[i];
    const char *const last[] = { "--stage", p->run->plan.stage[k].digest.hex, "--threads", number, "--quiet" };
    for (size_t i = 0; i < sizeof last / sizeof *last; i++)
        words[n++] = (char *)last[i];
    words[n] = NULL;
    fflush(NULL);
    const pid_t self = getpid();
    pid_t child = fork();
    if (child < 0)
        return error_set_kind(e, ERROR_ENVIRONMENT, "run: no process could be started for the stage %s: %s", p->run->plan.stage[k].name,
                              strerror(errno));
    if (child == 0) {
        // if the run is killed, its stages are killed as well
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != self)
            _exit(NOT_STARTED);
        execv(SELF, words);
        _exit(NOT_STARTED);
    }
    p->process[k] = child;
    p->state[k] = RUNNING;
    p->held[k] = threads;
    p->free -= threads;
    p->began[k] = seconds_now();
    return true;
}

static bool start_all(Pool *p, Error *e)
{
    size_t ready_count, k;
    while (p->free > 0 && (k = next_stage(p, &ready_count)) != NO_STAGE) {
        int share = (int)((size_t)p->free / ready_count);
        if (!start(p, k, share > 0 ? share : 1, e))
            return false;
    }
    return true;
}

/* Waits until one process has ended, and takes its result. */
static bool take_one(Pool *p, Error *e)
{
    int status;
    pid_t child = wait(&status);
    for (size_t k = 0; child > 0 && k < p->run->plan.stage_count; k++) {
        if (p->state[k] != RUNNING || p->process[k] != child)
            continue;
        p->state[k] = DONE;
        p->free += p->held[k];
        p->times->seconds[k] = seconds_since(p->began[k]);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            return true;
        const char *name = p->run->plan.stage[k].name;
        if (WIFSIGNALED(status))
            return error_set(e, "run: the stage %s was ended by signal %d", name, WTERMSIG(status));
        return error_set(e, "run: the stage %s was not done: %s", name,
                         WEXITSTATUS(status) == NOT_STARTED ? "its process could not be started" : "its process said why");
    }
    return child > 0 || error_set(e, "run: a process got lost");
}

static void stop_all(Pool *p)
{
    for (size_t k = 0; k < p->run->plan.stage_count; k++)
        if (p->state[k] == RUNNING)
            kill(p->process[k], SIGTERM);
    while (wait(NULL) > 0)
        ;
}

static void show(const Pool *p, Progress *progress)
{
    const Plan *plan = &p->run->plan;
    double done = 0, all = 0;
    char note[64] = "";
    for (size_t k = 0; k < plan->stage_count; k++) {
        if (p->times->seconds[k] < 0)
            continue;
        all += plan->stage[k].cost;
        done += p->state[k] == DONE ? plan->stage[k].cost : 0;
        if (p->state[k] == RUNNING)
            snprintf(note, sizeof note, "%.60s", plan->stage[k].name);
    }
    progress_show(progress, "run", (int64_t)done, (int64_t)all, note);
}

static bool work(Pool *p, bool quiet, Error *e)
{
    Progress progress = progress_begin(quiet, 0);
    size_t count = p->run->plan.stage_count, left = 0;
    for (size_t k = 0; k < count; k++)
        left += p->state[k] != DONE;
    for (; left > 0 && !e->failed; left--) {
        if (!start_all(p, e))
            break;
        show(p, &progress);
        if (!take_one(p, e))
            break;
    }
    progress_end(&progress);
    return !e->failed;
}

bool run_pool(Run *r, int threads, int argc, char **argv, RunTimes *times, Error *e)
{
    Arena *a = &r->arena;
    size_t n = r->plan.stage_count;
    double began = seconds_now();
    Pool p = { .run = r, .times = times, .free = threads, .argv = argv, .argc = argc };
    p.state = arena_zalloc(a, n * sizeof *p.state);
    p.process = arena_zalloc(a, n * sizeof *p.process);
    p.held = arena_zalloc(a, n * sizeof *p.held);
    p.began = arena_zalloc(a, n * sizeof *p.began);
    p.chain = arena_zalloc(a, n * sizeof *p.chain);
    times->seconds = arena_zalloc(a, n * sizeof *times->seconds);
    if (!times->seconds || e->failed)
        return false;
    for (size_t k = 0; k < n; k++) {
        const char *folder = stage_folder(r, k, a);
        if (folder && stage_finished(folder)) {
            if (!stage_nothing_foreign(r, k, e) || !stage_check(&r->plan, k, folder, e))
                return false;
            p.state[k] = DONE;
            times->seconds[k] = -1;
        }
    }
    chain_costs(&p);
    if (!work(&p, r->quiet, e))
        stop_all(&p);
    times->all = seconds_since(began);
    return !e->failed;
}
