/* SPDX-License-Identifier: MIT */
/* Steering: hidden states are moved towards a target, or kept where the reference model has them (rmu, mip_editor). */
#ifndef PULSE_UNLEARN_TERMS_STEERING_H
#define PULSE_UNLEARN_TERMS_STEERING_H

#include "unlearn/method.h"

/* The target t = RN(length u / RN|u|), as [R, C]: each row of the part has the same one. The direction u is [C]. */
Node *steering_aim(MethodStep *s, const Part *p, const float *u, float length);
/* Adds weight times the distance E of the hidden states h [R, C] of the part from `aim` [R, C]:
 * D = RN(h - aim), E = RN(RN(sum D^2) / (R C));  dL/dh = RN(2 weight D / (R C)). */
void  plus_distance(Loss *loss, const Part *p, Node *aim, float weight);

#endif
