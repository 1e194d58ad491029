/* SPDX-License-Identifier: MIT */
/* Data: samples made ready for the model, and the batches of a training run.
 *
 * A sample becomes token ids (prompt.h) and normalised pixels (image.h). Its picture is augmented where the sample
 * asks for it and a `use` is given: a number that differs at each use in a run.
 * Orders of a run: `step`, the batch of step t = 1 … is the lines whose "step" is t - 1, in the order of the file (a stream);
 * `shuffle`, batches of a fixed size in an order drawn for each epoch from the seed (purpose "data.shuffle").
 * Fails: what samples, prompts and pictures refuse, and a sample of more tokens than the model has positions, with FILE:LINE. */
#ifndef PULSE_MODEL_TRAINING_STREAM_H
#define PULSE_MODEL_TRAINING_STREAM_H

#include "model/batch.h"
#include "model/text/prompt.h"
#include "model/training/sample.h"

enum { NO_AUGMENT = -1 };

/* How a model reads: its tokenizer.json and preprocessor_config.json. */
typedef struct {
    PromptStyle   style;
    ImageSettings images;
    size_t        side;              // pixels of the square picture
    int32_t       end;               // id of the end token, -1: none
    size_t        positions;         // tokens of a sample, at most
} Reader;
bool reader_open(Reader *r, const char *model_folder, const ModelConfig *c, PromptTemplate template, PromptMask mask, Arena *a, Error *e);

/* ids, targets and pixels of a sample, in `a`. answer NULL: the sample's own. */
bool reader_sample(const Reader *r, const Samples *from, const Sample *x, const char *answer, uint64_t seed, int64_t use,
                   BatchSample *out, Arena *a, Error *e);
/* The prompt alone, for a generation. */
bool reader_prompt(const Reader *r, const Samples *from, const Sample *x, BatchSample *out, Arena *a, Error *e);

typedef enum { ORDER_STEP, ORDER_SHUFFLE } DataOrder;

typedef struct {
    const Reader *reader;
    const Samples *samples;
    DataOrder order;
    uint64_t  seed;
    size_t    batch;                 // for ORDER_SHUFFLE
    size_t   *begin;                 // for ORDER_STEP: lines of step t are begin[t-1] … begin[t] - 1
    int64_t   steps;                 // of a stream
    uint32_t *shuffled;
    int64_t   epoch;
} Stream;

bool stream_make(Stream *s, const Reader *r, const Samples *samples, DataOrder order, size_t batch, uint64_t seed, Arena *a, Error *e);
/* The `next` of CrossEntropy (train.h); context is the Stream. */
bool stream_next(void *context, int64_t step, BatchSample **samples, size_t *count, Arena *a, Error *e);

#endif
