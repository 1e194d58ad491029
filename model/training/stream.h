/* SPDX-License-Identifier: MIT */
/* Stream: the batches of a training run, in one of two orders.
 *
 * ORDER_STEP: step t (from 1) trains on the lines whose `step` field is t - 1, in the order of the file. ORDER_SHUFFLE:
 * every step trains on `batch` samples, or on all samples of a file that has fewer. The epochs follow each other
 * without a gap, and epoch k (from 0) is shuffled with the seed `seed + k` and the purpose "data.shuffle"
 * (random_shuffle). The memory of a Stream is in the arena that stream_make is given. One thread at a time. */
#ifndef PULSE_MODEL_TRAINING_STREAM_H
#define PULSE_MODEL_TRAINING_STREAM_H

#include "model/training/reader.h"

typedef enum { ORDER_STEP, ORDER_SHUFFLE } DataOrder;

typedef struct {
    const Reader  *reader;
    const Dataset *samples;
    DataOrder order;
    uint64_t  seed;
    size_t    batch;                 // samples a step, for ORDER_SHUFFLE; never more than the file has
    size_t   *begin;                 // [steps + 1], for ORDER_STEP: step t has samples begin[t - 1] … begin[t] - 1
    int64_t   steps;                 // the number of steps in the file, for ORDER_STEP
    uint32_t *shuffled;              // [samples->count], for ORDER_SHUFFLE: the permutation of `epoch`
    int64_t   epoch;                 // -1: none was shuffled so far
} Stream;

/* Fails if the file has no sample. ORDER_STEP also fails if the `step` fields do not begin at 0 or do not rise by 0 or
 * 1 from line to line; ORDER_SHUFFLE also fails if `batch` is 0. */
bool stream_make(Stream *s, const Reader *r, const Dataset *samples, DataOrder order, size_t batch, uint64_t seed,
                 Arena *a, Error *e);
/* The samples of a step (from 1), in `a`. The function serves as the `next` of a SampleSource (cross_entropy.h);
 * `context` is the Stream. */
bool stream_next(void *context, int64_t step, BatchSample **samples, size_t *count, Arena *a, Error *e);

#endif
