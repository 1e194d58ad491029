/* SPDX-License-Identifier: MIT */
/* Checks that as many threads as OpenMP will start can be started, and returns false with a sentence where they cannot.
 * The OpenMP runtime itself would end the process. */
#ifndef PULSE_REF_CLI_THREADS_H
#define PULSE_REF_CLI_THREADS_H

#include "tensor/base/error.h"

bool threads_check(Error *e);

#endif
