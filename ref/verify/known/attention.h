/* SPDX-License-Identifier: MIT */
/* Known mistakes in attention, as operators with derivatives that take the place of the right ones: which key head a
 * query head reads, and who sees whom. They compute in binary64, by plain loops. */
#ifndef PULSE_REF_VERIFY_KNOWN_ATTENTION_H
#define PULSE_REF_VERIFY_KNOWN_ATTENTION_H

#include "tensor/op.h"

/* Query head h reads key head h mod kv_heads, as after a tiling of the key heads, where it should be h / group. */
extern const Op tiled_scores, tiled_mix;
/* The rows of a picture see each other in both directions. Behind the segments, the index of such a node has a
 * number for each row: 1, the row is of a picture; 0, it is not. */
extern const Op both_ways_scores, both_ways_softmax, both_ways_mix;

#endif
