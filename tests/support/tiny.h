/* SPDX-License-Identifier: MIT */
/* Tiny: configs of small models with odd sizes, for tests of weights, adapters and the forward pass. */
#ifndef PULSE_TESTS_SUPPORT_TINY_H
#define PULSE_TESTS_SUPPORT_TINY_H

#include "model/lora.h"

/* 3 layers of vision of which 2 are run, 3 heads, vocabulary 331, 6 query heads on 2 key heads of 4, 2 layers. */
ModelConfig tiny_config(void);

/* B of every adapter is zero at first; anything else shows more. */
void tiny_fill_b(Lora *l);

#endif
