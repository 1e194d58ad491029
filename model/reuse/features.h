/* SPDX-License-Identifier: MIT */
/* Features: what a frozen vision tower says of pictures, kept by the content of the pictures.
 *
 * A tower whose weights are not trained says the same of a picture at every step. A trainer keeps its outputs (train.h), so that a picture
 * is run once; the bits are the same. A picture is found by a hash of its pixels and compared with all of them, so that only equal pictures
 * are taken for equal. Memory: pixels and outputs take at most the bytes that the caller gives; when they are used up, further pictures are
 * run at each use. A Features belongs to one tower and one thread. */
#ifndef PULSE_MODEL_REUSE_FEATURES_H
#define PULSE_MODEL_REUSE_FEATURES_H

#include "model/model.h"

/* NULL: no memory, which `e` says. */
Features *features_make(size_t memory, Error *e);
void      features_free(Features *x);                // x may be NULL
/* Whether no weight and no adapter of the vision tower is trained. */
bool      features_frozen(const Model *m);
/* How often a picture was looked up, and how often it was there. */
void      features_count(const Features *x, size_t *asked, size_t *found);

/* The kept output of one picture of n floats at `pixels`; NULL: it is not kept. */
const float *features_find(Features *x, const float *pixels, size_t n);
/* Keeps `count` floats as the output of a picture, while there is room. */
void      features_keep(Features *x, const float *pixels, size_t n, const float *output, size_t count);

#endif
