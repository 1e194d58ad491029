/* SPDX-License-Identifier: MIT */
/* Bytes: files and digests are little-endian whatever the machine is. */
#ifndef PULSE_TENSOR_BASE_BYTES_H
#define PULSE_TENSOR_BASE_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline bool bytes_little(void)
{
    const uint16_t one = 1;
    return *(const unsigned char *)&one == 1;
}

/* Copies n values of `size` bytes from the machine's byte order to little-endian, or back. */
static inline void bytes_copy(void *out, const void *in, size_t n, size_t size)
{
    if (bytes_little() || size == 1) {
        if (n)
            memcpy(out, in, n * size);
        return;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < size; k++)
            ((unsigned char *)out)[i * size + k] = ((const unsigned char *)in)[i * size + size - 1 - k];
}

#endif
