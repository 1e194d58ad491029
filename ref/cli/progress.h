/* SPDX-License-Identifier: MIT */
/* Progress: one line on stderr with the rate and the time left. It is shown only on a terminal, and not with
 * --quiet. */
#ifndef PULSE_REF_CLI_PROGRESS_H
#define PULSE_REF_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    bool    shown;
    double  started, last;       // seconds
    int64_t first;               // steps that were done before progress_begin
} Progress;

double   seconds_now(void);                       // a monotonic clock, for progress, timing.json and benchmarks alone
double   seconds_since(double began);             // never negative, even if that clock ran backwards
Progress progress_begin(bool quiet, int64_t done);
void     progress_show(Progress *p, const char *what, int64_t done, int64_t all, const char *note);
void     progress_end(Progress *p);               // clears the line

#endif
