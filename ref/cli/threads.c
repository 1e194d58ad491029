/* SPDX-License-Identifier: MIT */
#include "ref/cli/threads.h"

#include <omp.h>
#include <pthread.h>
#include <string.h>

enum { THREADS_MOST = 4096 };

/* A thread that lives until the gate opens, so that all of them live at once. */
static void *thread_wait(void *gate)
{
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
    return NULL;
}

bool threads_check(Error *e)
{
    const int threads = omp_get_max_threads();
    if (threads > THREADS_MOST)
        return error_set(e, "OMP_NUM_THREADS asks for %d threads, expected at most %d", threads, THREADS_MOST);
    pthread_t thread[THREADS_MOST];
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    int started = 0, failure = 0;
    pthread_mutex_lock(&gate);
    while (started < threads - 1 && (failure = pthread_create(&thread[started], NULL, thread_wait, &gate)) == 0)
        started++;
    pthread_mutex_unlock(&gate);
    for (int k = 0; k < started; k++)
        pthread_join(thread[k], NULL);
    return failure == 0 || error_set(e, "thread %d of %d cannot be started (%s); expected a higher limit (ulimit -u, ulimit -v) or a lower "
                                     "OMP_NUM_THREADS", started + 2, threads, strerror(failure));
}
