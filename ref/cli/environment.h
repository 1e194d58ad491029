/* SPDX-License-Identifier: MIT */
/* The switches of the library that our programs read from the environment, for tests: PULSE_POISON (arena_poison) and
 * PULSE_BLAS=always (product_set_kernel_limit(0): a library computes the small products too). Neither changes a bit of
 * an answer. */
#ifndef PULSE_REF_CLI_ENVIRONMENT_H
#define PULSE_REF_CLI_ENVIRONMENT_H

/* To be called once, before the first arena and the first product. */
void environment_switches(void);

#endif
