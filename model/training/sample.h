/* SPDX-License-Identifier: MIT */
/* Sample: one question with its answer, perhaps about a picture; and the JSONL files that hold them,
 * for training, for evaluation, and for other people's data. One object a line:
 *
 *     {"id": "flag-fr-capital-0", "entity": "france", "group": "country", "split": "test", "modality": "image",
 *      "image": "flags.safetensors#17", "question": "what is the capital of this country ?", "answer": "paris",
 *      "options": ["paris", "rome", "oslo", "lima"], "kind": "choice", "skill": "capital", "frame": 3, "augment": true}
 *
 * id, question and answer are needed; the others may be absent: entity, group, skill "" ; split "train";
 * modality "image" where there is a picture, else "text"; kind "open"; frame and step -1; augment false; no options.
 * `image` is absolute, or relative to the file's folder: a PNG or JPEG, or FILE.safetensors#ROW, row ROW of the U8
 * tensor "images" [N, H, W, 3] of that file.
 * Always: ids differ; the answer of a sample with options is one of them; modality agrees with image; question and answer are at
 * most 1 MiB of text.
 * Fails: every sentence begins FILE:LINE; unknown keys, wrong types, text that is not UTF-8, a picture
 * that is not there, … . */
#ifndef PULSE_MODEL_TRAINING_SAMPLE_H
#define PULSE_MODEL_TRAINING_SAMPLE_H

#include "model/image/image.h"

typedef enum { SPLIT_TRAIN, SPLIT_TEST } Split;
typedef enum { MODALITY_TEXT, MODALITY_IMAGE } Modality;
typedef enum { KIND_OPEN, KIND_CHOICE, KIND_CLOZE, KIND_NAME } Kind;

typedef struct {
    const char  *id, *entity, *group, *skill, *question, *answer;
    const char  *image;              // as in the file; NULL without
    const char **options;            // option_count of them
    size_t       option_count;
    Split        split;
    Modality     modality;
    Kind         kind;
    int64_t      frame, step;        // step: the training step whose batch it belongs to; -1: any
    bool         augment;            // a new shift, gain and noise at each use
    size_t       line;
} Sample;

typedef struct Pictures Pictures;    // those of a file of samples, kept once they were read (up to a limit)

typedef struct {
    Sample     *sample;              // in the order of the file
    size_t      count;
    const char *path;
    Pictures   *pictures;
    struct NameMap *ids;
} Samples;

bool samples_read(Samples *out, const char *path, Arena *a, Error *e);
/* For readers of other formats: room for that many samples of a file, then each (a copy; its texts and options must live on).
 * A picture that stands in no file is added before the samples that show it: a name, and the bytes of a PNG or JPEG (which must live on).
 * The id must be new, the picture be there; sentences begin with FILE:LINE of the sample. */
bool samples_begin(Samples *out, size_t room, const char *path, Arena *a, Error *e);
bool samples_add(Samples *s, const Sample *x, Arena *a, Error *e);
bool samples_add_picture(Samples *s, const char *name, const void *bytes, size_t n, Arena *a, Error *e);
void samples_close(Samples *s);      // gives back the pictures (before the arena goes)
const Sample *samples_find(const Samples *s, const char *id);       // NULL: there is none

/* The sample's picture. It lives in the cache, or in `a` when the cache is full. One thread at a time. */
bool sample_picture(const Samples *s, const Sample *x, Image *out, Arena *a, Error *e);

/* The augmentation of WORLD.md as a function of seed and use, in integers and binary64 (RN64):
 *     dx, dy = random_below(3) - 1 for "augment.shift" at 2 use, 2 use + 1; source place clamped to the picture
 *     g = RN64(0.9 + RN64(0.2 u)),  u = random_uniform for "augment.gain" at use
 *     n = random_normal for "augment.noise" at 2^24 use + k,  k the place of the value in [height, width, 3]
 *     value = floor(RN64(RN64(RN64(byte g) + 4 n) + 0.5)), cut to 0 … 255
 * Needs 3 * width * height <= 2^24. `use` counts the uses of a run: new at each. */
bool image_augment(Image *out, const Image *in, uint64_t seed, uint64_t use, Arena *a, Error *e);

const char *kind_name(Kind k);       // "open", "choice", "cloze", "name"

#endif
