/* SPDX-License-Identifier: MIT */
/* Tiny: the config of a small model of uneven sizes, for tests of weights, adapters and the forward pass. */
#ifndef PULSE_TESTS_SUPPORT_TINY_H
#define PULSE_TESTS_SUPPORT_TINY_H

#include "model/lora/lora.h"

/* The tower has 3 layers, of which 2 are run, and 3 heads. The language model has 2 layers, 6 query heads on 2 key
 * heads of size 4, and a vocabulary of 331. */
ModelConfig tiny_config(void);

/* Fills B of every adapter, which is zero at first, with numbers, so that the adapters change the outputs. */
void tiny_fill_b(Lora *l);

#endif
