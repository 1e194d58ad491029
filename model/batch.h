/* SPDX-License-Identifier: MIT */
/* Batch: the samples of a step, one after another without padding.
 *
 * All tokens of a step are rows of one [N, C] matrix, so every weight gradient is one product over
 * all of them, whatever the grouping (GRAPH.md). A sample is a run of rows; attention stays inside it and its
 * positions start at 0.
 * targets[i] is the token that row i should predict (the next one), or -1: not supervised. The rows whose
 * logits are wanted are `rows`: the supervised ones, or all when asked for (KL over all positions).
 * Always: the number of image tokens of a sample is 0 or that of one picture. */
#ifndef PULSE_MODEL_BATCH_H
#define PULSE_MODEL_BATCH_H

#include "model/config.h"
#include "tensor/tensor.h"

typedef struct {
    const int32_t *ids;        // [n], image tokens expanded
    const int32_t *targets;    // [n]; NULL: nothing supervised
    size_t         n;
    const float   *pixels;     // [channels, image_size, image_size]; NULL: no picture
} BatchSample;

typedef enum { ROWS_SUPERVISED, ROWS_ALL } BatchRows;

typedef struct {
    size_t   samples, tokens, pictures;
    int32_t *ids;              // [N]
    int32_t *positions;        // [N]: place in the sample
    int32_t *segments;         // [B, 4]: {begin, count, begin, count} (ops.h, Attention)
    Tensor   pixels;           // [pictures, channels, S, S]
    int32_t *rows;             // [R]: rows of [N, C] whose logits are made
    int32_t *labels;           // [R]: their targets, -1: none
    size_t   row_count;
    int32_t *row_offsets;      // [B + 1]: sample b owns rows row_offsets[b] … row_offsets[b+1] - 1
} Batch;

/* Packs the samples in order. Fails on an id outside the vocabulary, a wrong number of image tokens, an empty sample. */
bool batch_pack(Batch *b, const BatchSample *samples, size_t count, BatchRows rows, const ModelConfig *c, Arena *a, Error *e);

#endif
