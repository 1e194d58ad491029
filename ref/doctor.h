/* SPDX-License-Identifier: MIT */
/* The environment that every bound assumes: round to nearest, gradual underflow, in every thread, and a
 * product engine that computes right results. Refused with a sentence that says what to do. */
#ifndef PULSE_REF_DOCTOR_H
#define PULSE_REF_DOCTOR_H

#include "tensor/base/error.h"

bool environment_check(Error *e);

#endif
