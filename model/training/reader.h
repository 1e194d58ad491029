/* SPDX-License-Identifier: MIT */
/* Reader: turns a sample into token ids, targets and pixels, which the model reads. It is the counterpart of
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

/* Changes a picture that already has the size of the model's pictures, before it is normalised. `name` is the picture's
 * name in its data set. The new picture must have the same size; it is in `a`. `run` is called from several threads. */
typedef struct {
    bool (*run)(Image *out, const Image *in, const char *name, const void *context, Arena *a, Error *e);
    const void *context;
} PictureChange;

typedef struct {
    PromptStyle    style;
    ImageProcessor images;
    Shape          pixels;            // of one picture: [channels, height, width]
    int32_t        end;               // id of the token that ends an answer: eos_token_id of config.json
    size_t         positions;         // the most tokens of a sample
    Error          generation;        // failed: generation_config.json forbids greedy answers (reader_generates)
    bool           upright;           // pictures are turned by their EXIF tag (orientation.h); reader_open sets false
    const PictureChange *change;      // how every picture is changed; reader_open sets NULL: not at all
} Reader;

/* Opens tokenizer.json and the picture processor of a model folder. Fails if they do not agree with config.json
 * (another size of pictures, ids beyond vocab_size, special tokens with other ids), and if tokenizer_config.json or
 * special_tokens_map.json asks for what this program does not compute. The tokenizer is in `a`. */
bool reader_open(Reader *r, const char *model_folder, const ModelConfig *c, PromptTemplate template, PromptMask mask,
                 Arena *a, Error *e);

/* Whether generation_config.json allows greedy answers; callers check this before they generate. False: the
 * sentence says which key does not. */
bool reader_generates(const Reader *r, Error *e);

/* Ids, targets and pixels of a sample, in `a`. `answer` NULL: the sample's own answer. The picture is augmented with
 * `seed` and `use` (image/augment.h) if the sample asks for it and `use` is not NO_AUGMENT. Fails, with FILE:LINE, on a
 * sample of more than `positions` tokens. */
bool reader_sample(const Reader *r, const Dataset *from, const Sample *x, const char *answer, uint64_t seed, int64_t use,
                   BatchSample *out, Arena *a, Error *e);
/* Only the prompt, for generation: without targets, and never augmented. */
bool reader_prompt(const Reader *r, const Dataset *from, const Sample *x, BatchSample *out, Arena *a, Error *e);
/* Whether a model can be asked this sample: makes the checks of reader_sample; with `options`, also for each option
 * as the answer. Its memory is in `scratch`, which the caller may reset afterwards. */
bool reader_check(const Reader *r, const Dataset *from, const Sample *x, bool options, Arena *scratch, Error *e);
/* Reads a sample whose picture was read before: `pixels` are used again, and not copied. The answer is `answer`
 * (NULL: the sample's own); with prompt = true there is no answer. The picture must not have been augmented. */
bool reader_again(const Reader *r, const Dataset *from, const Sample *x, const char *answer, bool prompt, const float *pixels,
                  BatchSample *out, Arena *a, Error *e);

#endif
