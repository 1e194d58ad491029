/* SPDX-License-Identifier: MIT */
/* Progress: one stderr line with rate and time left, only on a terminal and without --quiet. */
#ifndef PULSE_REF_CLI_PROGRESS_H
#define PULSE_REF_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    bool    shown;
    double  started, last;       // seconds
    int64_t first;
} Progress;

double   seconds_now(void);                       // monotonic; only for progress, timing.json and benchmarks
Progress progress_begin(bool quiet, int64_t done);
void     progress_show(Progress *p, const char *what, int64_t done, int64_t all, const char *note);
void     progress_end(Progress *p);               // clears the line

#endif
