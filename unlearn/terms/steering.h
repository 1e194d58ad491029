/* SPDX-License-Identifier: MIT */
/* Steering: hidden states are moved towards a target, or kept where the reference model has them (rmu, mip_editor). */
#ifndef PULSE_UNLEARN_TERMS_STEERING_H
#define PULSE_UNLEARN_TERMS_STEERING_H

#include "unlearn/method.h"

/* t = RN(length u / RN|u|), the same for every row of the part; u [C]. */
Node *steering_aim(MethodStep *s, const Part *p, const float *u, float length);
/* Adds weight times E: D = RN(h - aim), E = RN(RN(sum D^2) / (R C)) over the R rows h of the part;  dL/dh = RN(2
 * weight D / (R C)). */
void  plus_distance(Loss *loss, const Part *p, Node *aim, float weight);

#endif
