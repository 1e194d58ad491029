/* SPDX-License-Identifier: MIT */
#include "ref/cli/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double seconds_since(double began)
{
    const double seconds = seconds_now() - began;
    return seconds > 0 ? seconds : 0;
}

// an estimate of more seconds than this is not shown, because then the clock has jumped
enum { LONGEST = 100 * 24 * 3600 };

Progress progress_begin(bool quiet, int64_t done)
{
    return (Progress){ !quiet && isatty(STDERR_FILENO), seconds_now(), 0, done };
}

void progress_show(Progress *p, const char *what, int64_t done, int64_t all, const char *note)
{
    const double now = p->shown ? seconds_now() : 0, since = now - p->last;
    if (!p->shown || (since >= 0 && since < 0.2 && done < all))
        return;
    p->last = now;
    const double rate = (double)(done - p->first) / (now - p->started + 1e-9), left = (double)(all - done) / rate;
    fprintf(stderr, "\r%s %lld/%lld  ", what, (long long)done, (long long)all);
    if (rate > 0 && left < LONGEST)                     // there is no rate before the first step is done
        fprintf(stderr, "%.1f/s  %d:%02d left  ", rate, (int)left / 60, (int)left % 60);
    fprintf(stderr, "%s\033[K", note);
    fflush(stderr);
}

void progress_end(Progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
}
