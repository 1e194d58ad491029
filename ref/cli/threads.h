/* SPDX-License-Identifier: MIT */
/* The OpenMP runtime ends the process when it cannot start a thread. This starts as many threads as OpenMP will, beforehand, and
 * returns false with a sentence where that fails. */
#ifndef PULSE_REF_CLI_THREADS_H
#define PULSE_REF_CLI_THREADS_H

#include "tensor/base/error.h"

bool threads_check(Error *e);

#endif
