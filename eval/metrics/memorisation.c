/* SPDX-License-Identifier: MIT */
#include "eval/metrics/memorisation.h"

#include <math.h>

size_t tokens_without_end(size_t tokens)
{
    return tokens > 1 ? tokens - 1 : tokens;
}

double exact_memorisation(const unsigned char *right, size_t n)
{
    size_t count = 0;
    for (size_t k = 0; k < n; k++)
        count += right[k] != 0;
    return n ? (double)count / (double)n : NAN;
}

/* The smallest start from which on all tokens are right; n where the last one is wrong. */
static size_t right_from(const unsigned char *right, size_t n)
{
    size_t k = n;
    while (k && right[k - 1])
        k--;
    return k;
}

double extraction_strength(const unsigned char *right, size_t n)
{
    return n ? 1 - (double)right_from(right, n) / (double)n : NAN;
}

double extraction_strength_open(const unsigned char *right, size_t n)
{
    size_t k = right_from(right, n);
    return n ? 1 - (double)(k < n ? k : n - 1) / (double)n : NAN;
}
