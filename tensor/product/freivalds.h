/* SPDX-License-Identifier: MIT */
/* The check of an engine's sums (Freivalds, "Probabilistic machines can use less running time", 1977).
 *
 * For sums C = A B^T and a vector s of random signs, C s = A (B^T s). If C is M x N and each sum has K terms, computing
 * both sides costs 1/M + 1/N + 1/K of the product. The two sides are compared row by row, for the columns of one tile.
 * Let u = 2^-53, |a_i| and |b_j| the norms of the lines, n the number of the tile's columns, and h the height of a sum
 * (tile_round in rounding.h). The roundings, in units of u |a_i| sum_j |b_j|, are
 *     the sums               h
 *     adding n of them       n
 *     B^T s                  n
 *     A (B^T s)              K        each product is rounded as well: K - 1 additions and one rounding
 *     sum                    h + 2 n + K
 * h + 2 n + K + 16 is claimed, and the factor 1 + 2^-8 covers the terms of second order.
 * A single sum that is wrong by more than twice the claim is always found. Several wrong sums in one row are missed
 * if their signed errors cancel. A row whose claim is not finite is not checked here; tile_audit may still check any of
 * its elements.
 * All functions are serial and thread-safe. */
#ifndef PULSE_TENSOR_PRODUCT_FREIVALDS_H
#define PULSE_TENSOR_PRODUCT_FREIVALDS_H

#include "tensor/product/engine.h"
#include "tensor/product/rounding.h"

/* Draws n signs, +1 or -1, from stream `stream` of the counter-based generator (random.h). */
void freivalds_signs(uint64_t stream, size_t n, double *sign);
/* to[k] = the sum of sign[c] strip[k * columns + c] over KERNEL_COLS columns, for k < length. */
void freivalds_pack(const double *strip, size_t columns, size_t length, const double *sign, double *to);
/* panel[k], k < length, becomes the sum of panel[g * length + k] over g < panels. */
void freivalds_add(double *panel, size_t panels, size_t length);
/* For each vector q < count, adds to want[q * want_apart + i], i < m, the sum of a[i,k] v[q * v_apart + k] over
 * k < length. */
void freivalds_expect(size_t m, size_t length, Side a, size_t count, const double *v, size_t v_apart, double *want, size_t want_apart);
/* got[i] = the sum of sign[j] sum[i * stride + j] over j < n, for i < m. */
void freivalds_got(size_t m, size_t n, const double *sum, size_t stride, const double *sign, double *got);
/* The first row of the tile where `got` (C s) and `want` (A (B^T s)) differ by more than the claim, or t->m. */
size_t freivalds_wrong(const Tile *t, double height, const double *got, const double *want);

#endif
