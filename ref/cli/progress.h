/* SPDX-License-Identifier: MIT */
/* Progress: one line on stderr with the rate and the time left. It is shown only on a terminal, and not with
 * --quiet. */
#ifndef PULSE_REF_CLI_PROGRESS_H
#define PULSE_REF_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    bool    shown;
    double  started, last;       // seconds_now at progress_begin, and when the line was printed last
    int64_t first;               // steps that were done before progress_begin, so the rate does not count them
} Progress;

double   seconds_now(void);                       // a monotonic clock, for progress, timing.json and benchmarks alone
double   seconds_since(double began);             // never negative, even if that clock ran backwards
Progress progress_begin(bool quiet, int64_t done);
/* Prints "WHAT DONE/ALL", the rate, the time left and the note, at most once in 0.2 seconds and always at the end. */
void     progress_show(Progress *p, const char *what, int64_t done, int64_t all, const char *note);
void     progress_end(Progress *p);               // clears the line

#endif
