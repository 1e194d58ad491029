/* SPDX-License-Identifier: MIT */
/* Digest: one short probe of everything that the program computes, as SHA-256.
 *
 * A family is a group of computations on fixed data (a function of counters, so that no file is needed); all its
 * results go into its SHA-256. digest.def lists the families. `total` is over the first 16 of them, and stays the
 * same when operators, methods or families are added; `total2` is over all. */
#ifndef PULSE_REF_DIGEST_DIGEST_H
#define PULSE_REF_DIGEST_DIGEST_H

#include "tensor/base/hash.h"
#include "tensor/ops.h"

/* What a family works with. Everything in it belongs to the caller and lives until the family is hashed. */
typedef struct {
    Tape  *tape;             // empty when the family begins. When it ends, the backward pass runs, and every node is hashed
    Arena *arena;            // the memory of this family and of its tape
    Error *error;            // the first failure ends the whole digest
    Hash   hash;             // takes what is not a node: bytes of files, texts, integers
    uint64_t at;             // the counter of the next value of fresh data
} Probe;

#define FAMILY(name) void digest_##name(Probe *p);
#define LATER(name) void digest_##name(Probe *p);
#include "ref/digest/digest.def"
#undef FAMILY
#undef LATER

/* Kinds of fresh data: a normal distribution, exponents from -40 to 40, halves (which give ties), subnormal numbers and
 * the smallest normal ones, all bit patterns (infinities and NaNs too). */
typedef enum { PROBE_NORMAL, PROBE_WIDE, PROBE_TIES, PROBE_TINY, PROBE_BITS, PROBE_KINDS } ProbeKind;

/* A leaf of fresh data, the same on every machine; NULL after a failure. A parameter gets a gradient, an input does
 * not. */
Node *probe_input(Probe *p, ProbeKind kind, Shape s);
Node *probe_param(Probe *p, ProbeKind kind, Shape s);
/* Seeds the gradient of y with fresh data of its shape; the backward pass runs once, after the family. y may be
 * NULL. */
void  probe_seed(Probe *p, Node *y);
/* Runs the backward pass. Every gradient is passed on again, even where an earlier pass has done so, because the
 * backward pass did that when `total` was recorded. */
void  probe_walk(Probe *p);
/* As probe_seed, but no gradient reaches what y was computed from. It is for operators that had no derivative when
 * `total` was recorded. */
void  probe_seed_forward(Probe *p, Node *y);

#endif
