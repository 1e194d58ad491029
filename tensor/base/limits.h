/* SPDX-License-Identifier: MIT */
/* Limits: how large the files and their parts may be that other people give us. limits.def lists them. */
#ifndef PULSE_TENSOR_BASE_LIMITS_H
#define PULSE_TENSOR_BASE_LIMITS_H

enum {
#define LIMIT(name, value, what) LIMIT_##name = (value),
#include "tensor/base/limits.def"
#undef LIMIT
};

#endif
