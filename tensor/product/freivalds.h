/* SPDX-License-Identifier: MIT */
/* The check of an engine's sums (Freivalds, "Probabilistic machines can use less running time", 1977).
 *
 * For sums C = A B^T and a vector s of random signs, C s = A (B^T s), which costs 1/M + 1/N + 1/K of the product.
 * Here it is compared row by row for the columns of one tile. With u = 2^-53, |a_i| and |b_j| the norms, n columns,
 * K terms and sums of height h (rounding.h), each of these is at most so many u |a_i| sum_j |b_j|:
 *     the sums               h
 *     adding n of them       n
 *     B^T s                  n
 *     A (B^T s)              K        each product is rounded as well: K - 1 additions and one rounding
 *     sum                    h + 2 n + K,    h + 2 n + K + 16 is claimed, and the factor 1 + 2^-8 covers terms of second order
 * A single sum
 * that is wrong by more than twice that is always found; several that are wrong in one row are missed when their
 * signed errors cancel. A row whose tolerance is not finite is not judged; the audit of tile_audit takes any element.
 * All functions are serial and thread-safe. */
#ifndef PULSE_TENSOR_PRODUCT_FREIVALDS_H
#define PULSE_TENSOR_PRODUCT_FREIVALDS_H

#include "tensor/product/engine.h"
#include "tensor/product/rounding.h"

/* n signs +1 or -1 of stream `stream` of the counter-based generator (random.h). */
void freivalds_signs(uint64_t stream, size_t n, double *sign);
/* to[k] = the sum of sign[c] strip[k * columns + c] over KERNEL_COLS columns, for k < length. */
void freivalds_pack(const double *strip, size_t columns, size_t length, const double *sign, double *to);
/* Adds to want[i], i < m, the sum of a[i,k] v[k] over k < length, where v[k] is the sum over `groups` of group[g * stride + k]. */
void freivalds_expect(size_t m, size_t length, Side a, const double *group, size_t groups, size_t stride, double *want);
/* The first row of the tile whose sums are not what was expected, or t->m. */
size_t freivalds_wrong(const Tile *t, const double *sum, size_t stride, double height, const double *sign, const double *want);

#endif
