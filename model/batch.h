/* SPDX-License-Identifier: MIT */
/* Batch: the samples of a step, packed one after another without padding.
 *
 * The N tokens of all samples are the rows of one [N, C] matrix. So every weight gradient is one product over all
 * tokens, however they are grouped. A sample is a run of consecutive rows; attention stays inside the sample, and
 * its positions start at 0. targets[i] is the id of the next token, which row i should predict, or -1 if the row is
 * not supervised.
 * `rows` are the rows whose logits are wanted: the supervised ones, or all rows if a loss needs every position (KL).
 * A sample has one image token for each row that its pictures take. A Batch is in the arena that batch_pack was given.
 * prefix.h packs batches of another kind: rows with which several samples begin occur once, in the segment of the first
 * of these samples, or not at all if they are in a cache. For each other sample, the segment is the rest of its rows.
 * The attention keys of a segment are the rows of the whole sample, which `keys` lists. In such a batch, B counts the
 * segments; `labels` and `row_offsets` are NULL, because the RowMap of prefix.h replaces them; and `keys` and `rows`
 * number the rows of the cache first (model_forward_cached). */
#ifndef PULSE_MODEL_BATCH_H
#define PULSE_MODEL_BATCH_H

#include "model/config.h"
#include "tensor/tensor.h"

typedef struct {
    const int32_t *ids;        // [n], with the image token repeated for every row of a picture
    const int32_t *targets;    // [n]; NULL: no row is supervised
    size_t         n;
    const float   *pixels;     // [channels, height, width] of its picture (config_pixels); NULL: no picture
    int64_t        exposures;  // how often the sample's fact occurred in pre-training; 0: never, or unknown
} BatchSample;

typedef enum { ROWS_SUPERVISED, ROWS_ALL } BatchRows;

typedef struct Batch {
    size_t   samples, tokens, pictures;   // how many: B samples, N tokens
    int32_t *ids;              // [N]
    int32_t *positions;        // [N]: the index of each token in its sample
    int32_t *segments;         // [B, 4]: {begin, count} of each sample's queries, then of its keys (tensor/ops.h)
    int32_t *keys;             // [key_count]: the rows that the segments attend to; NULL: the batch's rows in order
    size_t   key_count;
    Tensor   pixels;           // [pictures, channels, height, width]
    int32_t *rows;             // [R]: the rows of [N, C] whose logits are computed
    int32_t *labels;           // [R]: their targets; -1: not supervised
    size_t   row_count;
    int32_t *row_offsets;      // [B + 1]: sample b has rows[row_offsets[b]] … rows[row_offsets[b + 1] - 1]
} Batch;

/* The checks of batch_pack for one sample. The sentence of a failure calls it sample `index`. */
bool batch_check(const BatchSample *s, size_t index, const ModelConfig *c, Error *e);
/* Packs `count` samples in order, in `a`. Fails on an id or a target outside the vocabulary, on a wrong number of image
 * tokens, on an empty sample, on an empty batch and on 2^31 tokens or more. */
bool batch_pack(Batch *b, const BatchSample *samples, size_t count, BatchRows rows, const ModelConfig *c, Arena *a, Error *e);
/* Removes from b->rows and b->labels, for the samples first … first + count - 1, the rows that are not supervised. */
void batch_leave_supervised(Batch *b, size_t first, size_t count);

#endif
