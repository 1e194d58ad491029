/* SPDX-License-Identifier: MIT */
/* Subspace: keeps the change that unlearning makes to each matrix inside the space that an earlier learning spanned there, or outside it.
 *
 *     Subspace s;
 *     subspace_make(&s, &learned, (SubspaceChoice){ .rank = 8, .side = SUBSPACE_ONTO }, seed, &arena, &error);
 *     RoundsPlan p = { …, .subspace = &s };
 *
 * What was learned is an adapter, the change D = B A of a matrix W [out, in]. Its singular vectors, the k columns of U [out, k] and
 * V [in, k] with the largest singular values, span the space. The change of unlearning is the product of two factors as well, s B' A'.
 * Before the first step of a request and after each step
 *     onto    A' = RN(RN(A' V) V^T),  B' = RN(U RN(U^T B')), so that the change is U M V^T with some M [k, k], apart from roundings
 *     off     A' = RN(A' - RN(RN(A' V) V^T)),  B' = RN(B' - RN(U RN(U^T B'))), so that it has nothing in the columns' or the rows' space
 * The moments of the optimiser stay what they are. onto_random and off_random do the same with a random adapter of as many directions in
 * place of the learned one: a control.
 *
 * Singular vectors come of one-sided Jacobi in binary64 (Hestenes 1958), with sums in the order of the indices and pairs in the order
 * (0, 1), (0, 2), …, (1, 2), …, and are rounded to fp32 once, so that they are the same bits on every machine. First the rows of A are
 * turned until they are orthogonal, with the columns of B alongside, which leaves D as it is. Their lengths then go over to the columns
 * of B, and these are turned, with the rows alongside. */
#ifndef PULSE_UNLEARN_SUBSPACE_H
#define PULSE_UNLEARN_SUBSPACE_H

#include "model/lora/lora.h"

/* The choices of unlearn.subspace_side, in their order. */
typedef enum { SUBSPACE_ONTO, SUBSPACE_OFF, SUBSPACE_ONTO_RANDOM, SUBSPACE_OFF_RANDOM } SubspaceSide;

typedef struct {
    int64_t      rank;                  // k; 0: as many directions as the adapter has
    SubspaceSide side;
} SubspaceChoice;

typedef struct {
    const char *module;
    size_t      rank;
    Tensor      left, right;            // [k, out], [k, in]: the singular vectors as rows, that of the largest singular value first
    double     *value;                  // [k] the singular values of B A, without the adapter's scale
} SubspacePart;

typedef struct {
    SubspacePart *part;
    size_t        count;
    bool          off;
} Subspace;

/* Makes the space of every module of `learned`. A direction whose singular value is below 2^-30 of the largest is none. Error: a module
 * has no direction, or fewer than `rank`. */
bool subspace_make(Subspace *s, const Lora *learned, SubspaceChoice c, uint64_t seed, Arena *a, Error *e);
/* Whether each adapter of `l` has its space. */
bool subspace_fits(const Subspace *s, const Lora *l, Error *e);
/* Projects the factors of all adapters. */
bool subspace_apply(const Subspace *s, Lora *l, Error *e);

#endif
