/* SPDX-License-Identifier: MIT */
#include "ref/cli/environment.h"

#include <stdlib.h>
#include <string.h>
#include "tensor/base/arena.h"
#include "tensor/product/product.h"

void environment_switches(void)
{
    const char *blas = getenv("PULSE_BLAS");
    if (getenv("PULSE_POISON"))
        arena_poison = true;
    if (blas && strcmp(blas, "always") == 0)
        product_set_kernel_limit(0);
}
