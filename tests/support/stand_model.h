/* SPDX-License-Identifier: MIT */
/* The fixture of tests of weights and adapters: that of stand.h, and the weights of the tiny model, drawn from seed 1.
 * Only one file of a test program may include this. */
#ifndef PULSE_TESTS_SUPPORT_STAND_MODEL_H
#define PULSE_TESTS_SUPPORT_STAND_MODEL_H

#include "tests/support/stand.h"
#include "tests/support/tiny.h"

static Weights model;

static inline int stand_model(void **state)
{
    stand_begin(state);
    const ModelConfig c = tiny_config();
    return !weights_make(&model, &c, 1, &arena, &error);
}

/* New adapters of the model, drawn from seed 9. */
static inline void make(Lora *l, int64_t rank, float alpha, bool rslora, const char *targets)
{
    lora_make(l, &model, (LoraConfig){ .rank = rank, .alpha = alpha, .rslora = rslora, .targets = targets }, 9,
              &arena, &error);
    expect_fine(&error);
}

#define stand_model_test(f) cmocka_unit_test_setup_teardown(f, stand_model, stand_end)

#endif
