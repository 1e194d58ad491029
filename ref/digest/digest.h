/* SPDX-License-Identifier: MIT */
/* Digest: one short probe of everything. Each family computes on fixed data (a function of counters, so no file is needed)
 * and everything it computes goes into one SHA-256. Families stand in digest.def; the total is over their lines. */
#ifndef PULSE_REF_DIGEST_DIGEST_H
#define PULSE_REF_DIGEST_DIGEST_H

#include "tensor/base/hash.h"
#include "tensor/ops.h"

typedef struct {
    Tape  *tape;             // empty at the start of a family; walked back and every node of it hashed at its end
    Arena *arena;            // the tape's: of this family
    Error *error;
    Hash   hash;             // for what is not a node
    uint64_t at;             // the next counter of data
} Probe;

#define FAMILY(name) void digest_##name(Probe *p);
#include "ref/digest/digest.def"
#undef FAMILY

typedef enum { PROBE_NORMAL, PROBE_WIDE, PROBE_TIES, PROBE_TINY, PROBE_BITS, PROBE_KINDS } ProbeKind;

/* Fresh data, the same on every machine: rank and dimensions as in shape_of. */
Node *probe_input(Probe *p, ProbeKind kind, Shape s);
Node *probe_param(Probe *p, ProbeKind kind, Shape s);        // wants a gradient
/* Seeds y with fresh data of its shape; the tape is walked back once, at the end of the family. */
void  probe_seed(Probe *p, Node *y);

#endif
