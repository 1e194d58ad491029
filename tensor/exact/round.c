/* SPDX-License-Identifier: MIT */
#include "tensor/exact/round.h"

int tier_force = 0;

static float float_of_key(int64_t key)
{
    return float_from(key < 0 ? 0x80000000u | (uint32_t)-key : (uint32_t)key);
}

/* The midpoint between the floats of key and key + 1. Infinity counts as the float after the largest one, so that
 * the midpoint below it is where rounding to infinity begins. */
static double half_way(int64_t key)
{
    double a = float_of_key(key), b = float_of_key(key + 1);
    if (b - b != 0)
        return 0x1.ffffffp127;
    if (a - a != 0)
        return -0x1.ffffffp127;
    return (a + b) / 2;
}

float round_compare(float lo, float hi, int (*compare)(const void *value, double m), const void *value)
{
    int64_t a = float_key(lo), b = float_key(hi);
    while (a < b) {
        int64_t k = a + (b - a) / 2;
        int sign = compare(value, half_way(k));
        if (sign == 0)
            return float_of_key((k & 1) != TIE_REVERSED(compare_even) ? k + 1 : k);
        if (sign < 0)
            b = k;
        else
            a = k + 1;
    }
    return float_of_key(a);
}
