/* SPDX-License-Identifier: MIT */
/* The config of the shipped model, for benchmarks that make a model of its shape with other weights. */
#ifndef PULSE_TESTS_BENCH_SHIPPED_H
#define PULSE_TESTS_BENCH_SHIPPED_H

#include "model/config.h"

ModelConfig shipped_config(void);

#endif
