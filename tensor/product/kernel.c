/* SPDX-License-Identifier: MIT */
/* The built-in kernel. This file may be compiled with -ffp-contract=fast: its products are exact in binary64, so a
 * fused multiply-add gives the same number as a multiplication and an addition. */
#include "tensor/product/engine.h"

#define TARGET
#define LANES   2
#define ROWS    4
#define VECTORS 2
#include "tensor/product/kernel_micro.h"

#if defined(__x86_64__)
#define TARGET  __attribute__((target("avx2,fma")))
#define LANES   4
#define ROWS    6
#define VECTORS 2
#include "tensor/product/kernel_micro.h"

#define TARGET  __attribute__((target("avx512f")))
#define LANES   8
#define ROWS    8
#define VECTORS 2
#include "tensor/product/kernel_micro.h"
#endif

/* The widest registers that may be used, in doubles: 8 or 4. A benchmark that compares without AVX-512 is built with
 * CFLAGS="-march=haswell -DKERNEL_LANES=4". */
#ifndef KERNEL_LANES
#define KERNEL_LANES 8
#endif

static int lanes(void)
{
#if defined(__x86_64__)
    if (KERNEL_LANES >= 8 && __builtin_cpu_supports("avx512f"))
        return 8;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return 4;
#endif
    return 2;
}

const char *kernel_name(void)
{
    return lanes() == 8 ? "AVX-512" : lanes() == 4 ? "AVX2" : "128 bits";
}

void kernel_product(size_t m, size_t n, size_t length, Side a, const double *panels, size_t depth,
                    bool add, double *c, size_t c_stride)
{
#if defined(__x86_64__)
    if (lanes() == 8) {
        product8(m, n, length, a, panels, depth, add, c, c_stride);
        return;
    }
    if (lanes() == 4) {
        product4(m, n, length, a, panels, depth, add, c, c_stride);
        return;
    }
#endif
    product2(m, n, length, a, panels, depth, add, c, c_stride);
}
