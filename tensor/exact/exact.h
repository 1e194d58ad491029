/* SPDX-License-Identifier: MIT */
/* Exact: a sum of doubles that never rounds (after Neal, arXiv 1505.05571, "small superaccumulator").
 *
 * It is a fixed-point number from 2^-1088 upwards, cut into limbs. The weights of two neighbouring limbs are 32 bits
 * apart, but a limb is 64 bits wide, so that carries are moved only now and then. The product of two floats is an exact
 * double; the product of three is the sum of two exact doubles. An Exact is a plain struct: copy it, put it on the
 * stack, forget it.
 * Always: the order of additions cannot be seen in the result. A NaN makes the sum NaN, an infinity makes it infinite,
 * and infinities of both signs make it NaN. A sum that is zero, or that underflows to zero, rounds to +0. There is room
 * for 2^31 terms of any size. */
#ifndef PULSE_TENSOR_EXACT_EXACT_H
#define PULSE_TENSOR_EXACT_EXACT_H

#include <math.h>
#include "tensor/base/float.h"

// the last of the 67 limbs begins at 2^1024, beyond every double
enum { EXACT_LIMBS = 67, EXACT_LOWEST = -1088, EXACT_ADDITIONS = 1024 };
enum { EXACT_PLUS_INF = 1, EXACT_MINUS_INF = 2, EXACT_NAN = 4 };

typedef struct {
    int64_t limb[EXACT_LIMBS];   // value = sum of limb[k] 2^(32 k - 1088)
    int     left;                // additions left before carries must move
    int     special;             // infinities and NaN seen: EXACT_*
} Exact;

static inline Exact exact_zero(void) { return (Exact){ .left = EXACT_ADDITIONS }; }

void   exact_carry(Exact *s);
void   exact_add_special(Exact *s, double x);
int    exact_sign(const Exact *s);                       // -1, 0, 1 of a finite sum
float  exact_round(const Exact *s);                      // the nearest float, ties to even; NaN canonical
double exact_round64(const Exact *s);                    // the nearest double, ties to even
/* *high is the nearest double, and *low the nearest double to what is left. Their sum is within 2^-106, relative. If
 * *high is infinite or NaN, *low is 0. */
void   exact_split(const Exact *s, double *high, double *low);
void   exact_add_exact(Exact *s, const Exact *other);
/* Adds `other` times c. A finite `other` must be below 2^890 and a multiple of 2^-900, so that the products of its
 * parts are exact doubles. If `other` is infinite or NaN, that value times c is added. */
void   exact_add_multiple(Exact *s, const Exact *other, float c);

/* Adds x. A term of magnitude m 2^e with 0 <= m < 2^53 enters two limbs: 32 bits in one, at most 52 in the next. So a
 * limb grows by less than 2^53 a term, and 1024 terms fit between two carries. */
static inline void exact_add(Exact *s, double x)
{
    uint64_t bits = double_bits(x);
    int exponent = (int)(bits >> 52 & 0x7ff);
    if (exponent == 0x7ff) {
        exact_add_special(s, x);
        return;
    }
    int64_t m = (int64_t)(bits & 0xfffffffffffff) | (int64_t)(exponent != 0) << 52;
    int at = (exponent ? exponent : 1) - 1075 - EXACT_LOWEST;
    int k = at >> 5, shift = at & 31;
    int64_t sign = -(int64_t)(bits >> 63);
    int64_t low = (int64_t)((uint64_t)m << shift & 0xffffffff), high = m >> (32 - shift);
    if (s->left-- == 0)
        exact_carry(s);
    s->limb[k] += (low ^ sign) - sign;
    s->limb[k + 1] += (high ^ sign) - sign;
}

static inline void exact_add_product(Exact *s, float a, float b)
{
    exact_add(s, (double)a * b);
}

/* Adds x c. x has 53 bits; its upper 26 and lower 27 bits times c are exact doubles. */
static inline void exact_add_long_product(Exact *s, double x, float c)
{
    double high = double_from(double_bits(x) & ~(uint64_t)0x7ffffff);
    exact_add(s, high * c);
    exact_add(s, (x - high) * c);
}

/* Adds a b c, where a b is an exact double. */
static inline void exact_add_product3(Exact *s, float a, float b, float c)
{
    double p = (double)a * b, all = p * c;
    if (all - all != 0) {
        exact_add_special(s, all);
        return;
    }
    exact_add_long_product(s, p, c);
}

#endif
