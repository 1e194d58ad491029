/* SPDX-License-Identifier: MIT */
/* Digest: SHA-256 over a short computation with every part of the program.
 *
 * A family is a group of computations. They work on fixed data, which is a function of counters, so that no file is
 * needed. All their results go into the family's SHA-256. digest.def lists the families. `total` is the SHA-256 over
 * the first 16 of them, and stays the same when operators, methods or families are added; `total2` is over all. */
#ifndef PULSE_REF_DIGEST_DIGEST_H
#define PULSE_REF_DIGEST_DIGEST_H

#include "tensor/base/hash.h"
#include "tensor/ops.h"

/* What a family works with. Everything in it belongs to the caller and lives until the family is hashed. */
typedef struct {
    Tape  *tape;             // empty when the family begins. When it ends, the backward pass runs, and every node is hashed
    Arena *arena;            // the memory of this family and of its tape
    Error *error;            // the first failure ends the whole digest
    Hash   hash;             // the family may add to it, for instance bytes of files; `tape` is added afterwards
    uint64_t at;             // the counter of the next value of fresh data
} Probe;

#define FAMILY(name) void digest_##name(Probe *p);
#define LATER(name) void digest_##name(Probe *p);
#include "ref/digest/digest.def"
#undef FAMILY
#undef LATER

/* Kinds of fresh data:
 *     PROBE_NORMAL   values of random_normal: mean 0, variance 1
 *     PROBE_WIDE     numbers of both signs, with all binary exponents from -40 to 40
 *     PROBE_TIES     multiples of 0.5 from -8 to 8, whose sums and products give ties
 *     PROBE_TINY     subnormal numbers and the smallest normal ones
 *     PROBE_BITS     all bit patterns, infinities and NaNs too */
typedef enum { PROBE_NORMAL, PROBE_WIDE, PROBE_TIES, PROBE_TINY, PROBE_BITS, PROBE_KINDS } ProbeKind;

/* A leaf of fresh data, the same on every machine; NULL after a failure. A parameter gets a gradient, an input does
 * not. */
Node *probe_input(Probe *p, ProbeKind kind, Shape s);
Node *probe_param(Probe *p, ProbeKind kind, Shape s);
/* Seeds the gradient of y with fresh data of its shape, for the backward pass (probe_walk), which always runs after the
 * family. y may be NULL. */
void  probe_seed(Probe *p, Node *y);
/* Runs the backward pass. Every gradient is passed on again, even where an earlier pass has done so, because the
 * backward pass did that when `total` was recorded. */
void  probe_walk(Probe *p);
/* As probe_seed, but no gradient reaches what y was computed from. It is for operators that had no derivative when
 * `total` was recorded. */
void  probe_seed_forward(Probe *p, Node *y);

#endif
