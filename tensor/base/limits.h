/* SPDX-License-Identifier: MIT */
/* Limits: how large files from other people, and parts of these files, may be. limits.def lists the limits. */
#ifndef PULSE_TENSOR_BASE_LIMITS_H
#define PULSE_TENSOR_BASE_LIMITS_H

enum {
#define LIMIT(name, value, what) LIMIT_##name = (value),
#include "tensor/base/limits.def"
#undef LIMIT
};

#endif
