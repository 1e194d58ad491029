/* SPDX-License-Identifier: MIT */
/* Dataset: the samples of a file, in the file's order, with their pictures. A file is JSONL, one sample a line
 * (sample.h).
 *
 *     Dataset d;
 *     if (dataset_read(&d, "train.jsonl", &arena, &error)) ... d.sample[0 … d.count - 1] ...
 *     dataset_close(&d);
 *
 * Ids are unique; a question and its answer have at most 1 MiB of text together. Errors: a sentence about a line begins
 * with FILE:LINE, any other with FILE. Unknown keys, wrong types, text that is not UTF-8 and missing pictures are
 * refused. Everything except the pictures is in the arena. Only one thread at a time may use a Dataset, because
 * pictures are read when they are first used. */
#ifndef PULSE_MODEL_TRAINING_DATASET_H
#define PULSE_MODEL_TRAINING_DATASET_H

#include "model/image/image.h"
#include "tensor/base/error_list.h"
#include "model/training/name_map.h"
#include "model/training/picture_cache.h"
#include "model/training/sample.h"

typedef struct {
    Sample       *sample;            // [count], in the order of the file
    size_t        count;
    const char   *path;
    PictureCache *pictures;
    NameMap      *ids;
} Dataset;

/* Reads a JSONL file. Blank lines are skipped; a file without samples is an error. */
bool dataset_read(Dataset *out, const char *path, Arena *a, Error *e);

/* The same, but a line that cannot be read is left out, and its sentence is added to the list. The Dataset may then be
 * empty. */
bool dataset_read_some(Dataset *out, const char *path, ErrorList *errors, Arena *a, Error *e);

/* For readers of other formats: dataset_begin makes room for `capacity` samples, dataset_add adds one. */
bool dataset_begin(Dataset *out, size_t capacity, const char *path, Arena *a, Error *e);
/* Adds a copy of the sample, whose texts and options must outlive the data set. A missing `pair` is taken from the id
 * (sample_pair). Fails if the id is not new, the picture is missing, the texts are too long, or there is no room. */
bool dataset_add(Dataset *s, const Sample *x, Arena *a, Error *e);
/* Adds a picture that is not in a file: n bytes of a PNG or JPEG, which must outlive the data set. It must be added
 * before the samples that show it. */
bool dataset_add_picture(Dataset *s, const char *name, const void *bytes, size_t n, Arena *a, Error *e);
/* Closes the pictures; call it before the arena is freed. A zeroed Dataset may be closed. */
void dataset_close(Dataset *s);

/* The sample of this id, or NULL. */
const Sample *dataset_find(const Dataset *s, const char *id);
/* The sample's picture. Its pixels are in the cache of `s`, or in `a` if the cache does not keep them. */
bool dataset_picture(const Dataset *s, const Sample *x, Image *out, Arena *a, Error *e);

#endif
