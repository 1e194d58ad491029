/* SPDX-License-Identifier: MIT */
/* Reader: turns a sample into what the model reads: token ids, targets and pixels. It is the counterpart of
 * transformers' LlavaProcessor.
 *
 * The prompt template and the label mask are those of text/prompt.h, the pixels those of image/processor.h.
 * A Reader is read-only once opened. Threads may share it as long as they do not share a Dataset. */
#ifndef PULSE_MODEL_TRAINING_READER_H
#define PULSE_MODEL_TRAINING_READER_H

#include "model/batch.h"
#include "model/image/processor.h"
#include "model/text/prompt.h"
#include "model/training/dataset.h"

enum { NO_AUGMENT = -1 };

/* Changes a picture that has the size of the model's pictures, before it is normalised. `name` is the picture's in its
 * data set. The new picture is of the same size, and in `a`. Called from several threads. */
typedef struct {
    bool (*run)(Image *out, const Image *in, const char *name, const void *context, Arena *a, Error *e);
    const void *context;
} PictureChange;

typedef struct {
    PromptStyle    style;
    ImageProcessor images;
    Shape          pixels;            // of one picture: [channels, height, width]
    int32_t        end;               // id of the token that ends an answer; -1: none
    size_t         positions;         // tokens of a sample, at most
    Error          generation;        // failed: generation_config.json asks for other answers than greedy ones (reader_generates)
    bool           upright;           // pictures are turned as their EXIF tag says (orientation.h); reader_open: false
    const PictureChange *change;      // what is done to every picture; reader_open: NULL, nothing
} Reader;

/* Opens tokenizer.json and the picture processor of a model folder. Fails where they do not agree with config.json:
 * another size of pictures, ids beyond vocab_size, or special tokens of other ids; and where tokenizer_config.json or
 * special_tokens_map.json asks for what is not computed here. The tokenizer is in `a`. */
bool reader_open(Reader *r, const char *model_folder, const ModelConfig *c, PromptTemplate template, PromptMask mask,
                 Arena *a, Error *e);

/* Whether a greedy answer is what the folder asks for; who generates asks this first.
 * Fails with the sentence about generation_config.json. */
bool reader_generates(const Reader *r, Error *e);

/* Ids, targets and pixels of a sample, in `a`. `answer` NULL: the sample's own answer. The picture is augmented where
 * the sample asks for it and `use` is not NO_AUGMENT. Fails, with FILE:LINE, on a sample of more than `positions`
 * tokens. */
bool reader_sample(const Reader *r, const Dataset *from, const Sample *x, const char *answer, uint64_t seed, int64_t use,
                   BatchSample *out, Arena *a, Error *e);
/* The prompt alone, for generation: no targets, never augmented. */
bool reader_prompt(const Reader *r, const Dataset *from, const Sample *x, BatchSample *out, Arena *a, Error *e);
/* Whether a model can be asked this sample: as reader_sample, and with each option as the answer where `options`.
 * Its memory is in `scratch`, which the caller may reset afterwards. */
bool reader_check(const Reader *r, const Dataset *from, const Sample *x, bool options, Arena *scratch, Error *e);
/* A sample that is never augmented, with the answer `answer` (NULL: its own) or, with prompt = true, without any. Its
 * pixels were read before, for a sample with the same picture; they stay where they are. */
bool reader_again(const Reader *r, const Dataset *from, const Sample *x, const char *answer, bool prompt, const float *pixels,
                  BatchSample *out, Arena *a, Error *e);

#endif
