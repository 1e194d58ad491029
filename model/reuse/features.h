/* SPDX-License-Identifier: MIT */
/* Features: a cache of the outputs of a frozen vision tower. The key of an entry is the pixels of a picture.
 *
 * A tower whose weights are not trained has the same output for a picture at every step. A trainer caches it (train.h),
 * so each picture is run once; no bit changes. A picture is looked up by a hash of its pixels. Then all its pixels are
 * compared, so a collision does no harm. Memory: pixels and outputs take at most the bytes that the caller allows; once
 * these are used up, further pictures are run at each use. A Features belongs to one tower and one thread. */
#ifndef PULSE_MODEL_REUSE_FEATURES_H
#define PULSE_MODEL_REUSE_FEATURES_H

#include "model/model.h"

/* NULL: no memory, and `e` says so. */
Features *features_make(size_t memory, Error *e);
void      features_free(Features *x);                // x may be NULL
/* Whether no weight and no adapter of the vision tower is trained. */
bool      features_frozen(const Model *m);
/* How often pictures were looked up, and how often they were found. */
void      features_count(const Features *x, size_t *lookups, size_t *found);

/* The cached output of a picture, whose n floats are at `pixels`; NULL: it is not in the cache. */
const float *features_find(Features *x, const float *pixels, size_t n);
/* Caches `count` floats as the output of a picture, if there is room. */
void      features_keep(Features *x, const float *pixels, size_t n, const float *output, size_t count);

#endif
