/* SPDX-License-Identifier: MIT */
/* Checks the environment that every bound assumes: every thread rounds to nearest and has gradual underflow, and the product engine
 * computes right results. False: the sentence says what to do. */
#ifndef PULSE_REF_DOCTOR_H
#define PULSE_REF_DOCTOR_H

#include "tensor/base/error.h"

bool environment_check(Error *e);

#endif
