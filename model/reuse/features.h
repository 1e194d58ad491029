/* SPDX-License-Identifier: MIT */
/* Features: a cache of the outputs of a frozen vision tower, whose key is the pixels of a picture.
 *
 * A tower whose weights are not trained has the same output for a picture at every step. A trainer caches it (train.h),
 * so that each picture is run once; no bit changes. A picture is looked up by a hash of its pixels, and then all its
 * pixels are compared, so that a collision does no harm. Memory: pixels and outputs take at most the bytes that the
 * caller gives; when these are used up, further pictures are run at each use. A Features belongs to one tower and one
 * thread. */
#ifndef PULSE_MODEL_REUSE_FEATURES_H
#define PULSE_MODEL_REUSE_FEATURES_H

#include "model/model.h"

/* NULL: no memory, which `e` says. */
Features *features_make(size_t memory, Error *e);
void      features_free(Features *x);                // x may be NULL
/* Whether no weight and no adapter of the vision tower is trained. */
bool      features_frozen(const Model *m);
/* How often a picture was looked up, and how often it was there. */
void      features_count(const Features *x, size_t *lookups, size_t *found);

/* The kept output of one picture of n floats at `pixels`; NULL: it is not kept. */
const float *features_find(Features *x, const float *pixels, size_t n);
/* Keeps `count` floats as the output of a picture, while there is room. */
void      features_keep(Features *x, const float *pixels, size_t n, const float *output, size_t count);

#endif
