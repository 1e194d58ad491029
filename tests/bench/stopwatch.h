/* SPDX-License-Identifier: MIT */
/* Stopwatch: what benchmarks measure with. Timings of a busy machine are told apart by ratios of turns, and their median. */
#ifndef PULSE_TESTS_BENCH_STOPWATCH_H
#define PULSE_TESTS_BENCH_STOPWATCH_H

#include <stddef.h>

double now(void);                        // seconds, from some moment on
double processor_time(void);             // seconds that all threads of the process have computed; a busy machine changes them little
double median(double *x, size_t n);      // sorts x

#endif
