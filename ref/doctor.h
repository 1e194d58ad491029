/* SPDX-License-Identifier: MIT */
/* The environment that every bound assumes: round to nearest, gradual underflow, in every thread, and a
 * product engine that computes right results. Refused with a sentence that says what to do. */
#ifndef PULSE_REF_DOCTOR_H
#define PULSE_REF_DOCTOR_H

#include "tensor/base/error.h"

bool environment_check(Error *e);

/* The OpenMP runtime ends the process when it cannot start a thread; so this starts as many threads as it will,
 * beforehand, and returns false with a sentence where that fails. */
bool threads_check(Error *e);

#endif
