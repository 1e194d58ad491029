/* SPDX-License-Identifier: MIT */
/* Image: a picture as RGB bytes.
 *
 * The way of a picture from a file to the vision tower: decode.h reads it, and orientation.h can turn it by its
 * EXIF tag. processor.h applies the steps of preprocessor_config.json: resize.h and this header change its size,
 * and then it becomes floats. augment.h varies a picture during training. stb.c contains the picture libraries.
 * Pixels belong to the arena they were made in. All functions are thread-safe as long as each thread has its own
 * arena and Error. */
#ifndef PULSE_MODEL_IMAGE_IMAGE_H
#define PULSE_MODEL_IMAGE_IMAGE_H

#include <stdint.h>
#include <stdio.h>
#include "tensor/base/arena.h"
#include "tensor/base/limits.h"

/* The most bytes of a picture, 3 * width * height. */
#define IMAGE_VALUES_MAX ((size_t)LIMIT_PICTURE_VALUES)

enum { IMAGE_CHANNELS = 3 };      // an Image is RGB; no other number of channels is read or written

typedef struct {
    size_t   width, height;       // in pixels
    uint8_t *rgb;                 // [height, width, 3]
    // the EXIF tag that is still to be applied to `rgb`, 1 to 8 (1: the file has none, or it was applied); 0: the
    // picture was made from another one, by padding for instance
    unsigned orientation;
} Image;

/* Pads the picture to a square of its longer side, as LLaVA's expand2square does. The picture is in the middle (its
 * left and top margins are rounded down), and `colour` is around it. */
bool image_pad(Image *out, const Image *in, const uint8_t colour[3], Arena *a, Error *e);
/* The part of width x height pixels whose top left pixel is (left, top). Fails if it does not fit. */
bool image_crop(Image *out, const Image *in, size_t left, size_t top, size_t width, size_t height, Arena *a, Error *e);

/* Writes a PNG; the same picture gives the same bytes everywhere. The file appears whole or not at all. */
bool image_write_png(const char *path, const Image *in, Error *e);
/* Prints a PNG of at most IMAGE_VALUES_MAX / 4 pixels to `f`. False: no memory, or the stream cannot be written. */
bool image_print_png(FILE *f, const Image *in);

#endif
