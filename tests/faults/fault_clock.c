/* SPDX-License-Identifier: MIT */
/* A library to preload, which makes the clocks of the command wrong. PULSE_FAULT_CLOCK says how:
 *     back   each reading is an hour earlier than the one before
 *     jump   readings alternate between now, a hundred years ahead and fifty years ago
 * Standard error counts as a terminal, so that the command shows its progress, for which it reads the clock. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* By how many seconds the next reading of a clock is ahead of the true time; negative if it is behind. */
static long ahead(void)
{
    static atomic_long readings;
    static const long year = 365L * 24 * 3600, jump[] = { 0, 100, -50 };
    const char *how = getenv("PULSE_FAULT_CLOCK");
    const long n = readings++;
    return !how ? 0 : *how == 'b' ? -3600 * n : year * jump[n % 3];
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
    const int failed = (int)syscall(SYS_clock_gettime, clock, t);
    t->tv_sec += ahead();
    return failed;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    const int failed = clock_gettime(CLOCK_REALTIME, &now);
    *t = (struct timeval){ now.tv_sec, now.tv_nsec / 1000 };
    return failed;
}

time_t time(time_t *to)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (to)
        *to = now.tv_sec;
    return now.tv_sec;
}

int isatty(int fd) { return fd == STDERR_FILENO; }
