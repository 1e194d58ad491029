/* SPDX-License-Identifier: MIT */
/* Augment: a picture shifted by at most one pixel, with another brightness and with noise, as a function of a seed and a use. */
#ifndef PULSE_MODEL_IMAGE_AUGMENT_H
#define PULSE_MODEL_IMAGE_AUGMENT_H

#include "model/image/image.h"

/* The augmentation of the shipped world (fixtures/world), in integers and binary64 (RN64):
 *     dx, dy = random_below(3) - 1 for "augment.shift" at 2 use and 2 use + 1; the source pixel is clamped to the picture
 *     g = RN64(0.9 + RN64(0.2 u)),  u = random_uniform for "augment.gain" at use
 *     n = random_normal for "augment.noise" at 2^24 use + k,  k the index of the value in [height, width, 3]
 *     value = floor(RN64(RN64(RN64(byte g) + 4 n) + 0.5)), cut to 0 … 255
 * `use` counts the uses of pictures in a run, so that each use differs. Fails when 3 * width * height is over 2^24.
 * The new pixels are in `a`; out may be in. Thread-safe with an arena for each thread. */
bool image_augment(Image *out, const Image *in, uint64_t seed, uint64_t use, Arena *a, Error *e);

#endif
