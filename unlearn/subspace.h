/* SPDX-License-Identifier: MIT */
/* Subspace: unlearning changes each matrix only inside the space of an earlier change, or only outside of it.
 *
 *     Subspace s;
 *     subspace_make(&s, &learned, (SubspaceChoice){ .rank = 8, .side = SUBSPACE_ONTO }, seed, &arena, &error);
 *     RoundsPlan p = { …, .subspace = &s };
 *
 * The earlier change is that of a trained adapter, D = B A, which was added to a matrix W [out, in]. The singular
 * vectors of D with the k largest singular values span the space; they are the columns of U [out, k] and V [in, k]. The
 * change of unlearning is also that of an adapter, s B' A' with its scale s. Before the first step of a request and
 * after each step, both factors are projected:
 *     onto    A' = RN(RN(A' V) V^T)            B' = RN(U RN(U^T B'))
 *             The change is then U M V^T with some M [k, k], apart from rounding errors.
 *     off     A' = RN(A' - RN(RN(A' V) V^T))   B' = RN(B' - RN(U RN(U^T B')))
 *             The rows of the change are then orthogonal to V, and its columns to U, apart from rounding errors.
 * The moments of the optimiser are not projected. As a control, onto_random and off_random do the same with the space
 * of a random adapter, which has as many directions as the space of the learned one.
 *
 * One-sided Jacobi rotations in binary64 (Hestenes 1958) compute the singular vectors:
 *  1. The rows of A are rotated, pair by pair, until they are orthogonal. The columns of B are rotated with them, so D
 *     stays as it is.
 *  2. The rows are divided by their lengths, and the columns of B are multiplied by these.
 *  3. The columns of B are rotated until they are orthogonal, and the rows with them. The lengths of the columns are
 *     then the singular values.
 * Sums run in the order of the indices, pairs in the order (0, 1), (0, 2), …, (1, 2), …, and the result is rounded to
 * fp32 once. So the singular vectors are the same bits on every machine. */
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
    Tensor      left, right;            // [k, out], [k, in]: the singular vectors as rows, the largest value first
    double     *value;                  // [k] the singular values of B A, without the adapter's scale; on the random
                                        // sides, those of the random adapter
} SubspacePart;

typedef struct {
    SubspacePart *part;
    size_t        count;
    bool          off;
} Subspace;

/* Makes the space of every module of `learned`. A direction does not count if its row of A after step 1 has at most
 * 2^-30 of the length of the longest row, or if its singular value is at most 2^-30 of the largest. Error: a module has
 * no direction, or fewer than `rank`. */
bool subspace_make(Subspace *s, const Lora *learned, SubspaceChoice c, uint64_t seed, Arena *a, Error *e);
/* Whether `s` has a space of the right size for each module of `l`. */
bool subspace_fits(const Subspace *s, const Lora *l, Error *e);
/* Projects the factors of all modules of `l`. */
bool subspace_apply(const Subspace *s, Lora *l, Error *e);

#endif
