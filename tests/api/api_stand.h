/* SPDX-License-Identifier: MIT */
/* Shared by the tests of pulse.h: an open context, and checks of what a call returns. This header defines a
 * variable, so only one file of a program may include it. */
#ifndef PULSE_TESTS_API_API_STAND_H
#define PULSE_TESTS_API_API_STAND_H

#include <string.h>
#include "ref/api/pulse.h"
#include "tests/support/check.h"

static pulse_context *ctx;

static inline int context_open(void **state)
{
    (void)state;
    return pulse_open(NULL, &ctx) == PULSE_OK ? 0 : -1;
}

static inline int context_close(void **state)
{
    (void)state;
    pulse_close(ctx);
    return 0;
}

#define expect_ok(call) do { if ((call) != PULSE_OK) fail_msg("%s", pulse_error_text(ctx)); } while (0)

/* Fails unless the call was refused with this kind and with a sentence that contains `words`. */
static inline void expect_refused(pulse_status status, pulse_status kind, const char *words)
{
    if (status != kind || pulse_error_kind(ctx) != kind || !strstr(pulse_error_text(ctx), words))
        fail_msg("status %d (%s) \"%s\", expected %d and \"%s\"", (int)status, pulse_status_name(status), pulse_error_text(ctx),
                 (int)kind, words);
}
/* The same for PULSE_BAD_INPUT. */
#define refused(words, call) expect_refused(call, PULSE_BAD_INPUT, words)

/* A pulse_tensor with the dtype, the shape and the data of the library's tensor t. */
static inline pulse_tensor pulse_tensor_of(Tensor t)
{
    pulse_tensor x = { .dtype = (int32_t)t.dtype, .rank = t.shape.rank, .data = t.data };
    for (int i = 0; i < t.shape.rank; i++)
        x.dims[i] = (int64_t)t.shape.dim[i];
    return x;
}

#endif
