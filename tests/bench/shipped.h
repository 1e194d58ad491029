/* SPDX-License-Identifier: MIT */
/* The shape of the shipped model, for benchmarks that make its weights themselves. */
#ifndef PULSE_TESTS_BENCH_SHIPPED_H
#define PULSE_TESTS_BENCH_SHIPPED_H

#include "model/config.h"

ModelConfig shipped_config(void);

#endif
