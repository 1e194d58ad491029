/* SPDX-License-Identifier: MIT */
/* Augment: shifts a picture by at most one pixel, changes its brightness and adds noise, as a function of a seed and of
 * a number that each use of a picture has. */
#ifndef PULSE_MODEL_IMAGE_AUGMENT_H
#define PULSE_MODEL_IMAGE_AUGMENT_H

#include "model/image/image.h"

/* The augmentation of the shipped data set (fixtures/world), in integers and binary64 (RN64 rounds to it):
 *     dx, dy = random_below(3) - 1, purpose "augment.shift", indices 2 use and 2 use + 1; the pixel (x, y) comes from
 *              (x - dx, y - dy), or from the pixel of the picture that is nearest to this place
 *     g = RN64(0.9 + RN64(0.2 u)), where u = random_uniform, purpose "augment.gain", index use
 *     n = random_normal, purpose "augment.noise", index 2^24 use + k; k is the index of the value in [height, width, 3]
 *     value = floor(RN64(RN64(RN64(byte g) + 4 n) + 0.5)), clamped to 0 … 255; `byte` is the old value
 * In training, `use` is the number of the sample in the run (stream_next), so each use of a picture differs. Fails if
 * 3 * width * height is over 2^24.
 * The new pixels are in `a`; `out` may be `in`. Thread-safe with an arena for each thread. */
bool image_augment(Image *out, const Image *in, uint64_t seed, uint64_t use, Arena *a, Error *e);

#endif
