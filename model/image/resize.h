/* SPDX-License-Identifier: MIT */
/* Resize: gives the same bytes as Pillow's Image.resize(size, filter) of an RGB picture. */
#ifndef PULSE_MODEL_IMAGE_RESIZE_H
#define PULSE_MODEL_IMAGE_RESIZE_H

#include "model/image/image.h"

/* The numbers are Pillow's, as `resample` in preprocessor_config.json has them. Lanczos and Hamming are left out,
 * because they need a sine. */
typedef enum { IMAGE_BILINEAR = 2, IMAGE_BICUBIC = 3, IMAGE_BOX = 4 } ImageFilter;

/* `width` and `height` must be at least 1. The new pixels are in `a`; `out` may be `in`. */
bool image_resize(Image *out, const Image *in, size_t width, size_t height, ImageFilter filter, Arena *a, Error *e);

#endif
