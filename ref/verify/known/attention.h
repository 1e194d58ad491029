/* SPDX-License-Identifier: MIT */
/* Known mistakes in attention: which key head a query head reads, and which rows see each other. Each is an operator
 * with its derivative, which takes the place of the right operator. They compute in binary64, by plain loops. */
#ifndef PULSE_REF_VERIFY_KNOWN_ATTENTION_H
#define PULSE_REF_VERIFY_KNOWN_ATTENTION_H

#include "tensor/op.h"

/* Query head h reads key head h mod kv_heads, as if the key heads were tiled. It should read key head h / group. */
extern const Op tiled_scores, tiled_mix;
/* The rows of a picture see each other in both directions. After the segments, the index of such a node has a number
 * for each row: 1 for a row of a picture, else 0. */
extern const Op both_ways_scores, both_ways_softmax, both_ways_mix;

#endif
