/* SPDX-License-Identifier: MIT */
/* Two switches for tests, which our programs read from the environment; our library itself reads neither.
 *     PULSE_POISON        sets arena_poison: new memory is filled with 0xff, so that a float never written shows as NaN
 *     PULSE_BLAS=always   calls product_set_kernel_limit(0): the BLAS library computes the small products too
 * Neither changes a bit of an answer. */
#ifndef PULSE_REF_CLI_ENVIRONMENT_H
#define PULSE_REF_CLI_ENVIRONMENT_H

/* To be called once, before the first arena and the first product. */
void environment_switches(void);

#endif
