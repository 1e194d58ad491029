/* SPDX-License-Identifier: MIT */
/* Known mistakes in attention: which key head a query head reads, and which rows see each other. Each mistake is made
 * by operators that take the place of the right ones, and that have derivatives. They compute in binary64, by plain
 * loops. */
#ifndef PULSE_REF_VERIFY_KNOWN_ATTENTION_H
#define PULSE_REF_VERIFY_KNOWN_ATTENTION_H

#include "tensor/op.h"

/* Query head h reads key head h mod kv_heads, as if the key heads were tiled. It should read key head h / group, where
 * group is the number of query heads for each key head. */
extern const Op tiled_scores, tiled_mix;
/* The rows of a picture see each other in both directions. The index of such a node has a number for each row after the
 * index_count numbers of the segments: 1 for a row of a picture, else 0. */
extern const Op both_ways_scores, both_ways_softmax, both_ways_mix;

#endif
