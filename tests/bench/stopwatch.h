/* SPDX-License-Identifier: MIT */
/* Clocks and the median, for benchmarks. On a busy machine, the median of ratios of neighbouring runs is meaningful. */
#ifndef PULSE_TESTS_BENCH_STOPWATCH_H
#define PULSE_TESTS_BENCH_STOPWATCH_H

#include <stddef.h>

double now(void);                        // seconds since some fixed moment
double processor_time(void);             // seconds of all threads of the process; a busy machine changes them little
double median(double *x, size_t n);      // sorts x

#endif
