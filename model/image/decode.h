/* SPDX-License-Identifier: MIT */
/* Decode: a PNG or JPEG file becomes an Image of RGB bytes. The decoder is stb_image.
 *
 * Pixels are those of Pillow's convert("RGB"): grey is repeated in the three channels, a palette is looked up,
 * alpha is dropped, and a 16-bit colour keeps its high byte. 16-bit grey is refused, because Pillow clips it. The
 * pixels are in the order of the file; Image.orientation holds the EXIF tag, and orientation.h can apply it.
 * The pixels of a JPEG depend on the decoder: those of stb_image differ from libjpeg-turbo's by up to 3. Convert
 * JPEG files to PNG once before comparing with another implementation.
 * Errors: the sentence begins with the path or `name`. These are refused: a missing file, a file that is neither
 * PNG nor JPEG, a truncated or damaged file (PNG checksums are verified), and a picture without pixels or with more
 * than IMAGE_VALUES_MAX / 4 pixels; the size is checked before decoding.
 * Thread-safe as long as each thread has its own arena and Error. */
#ifndef PULSE_MODEL_IMAGE_DECODE_H
#define PULSE_MODEL_IMAGE_DECODE_H

#include "model/image/image.h"

/* Decodes n bytes in memory; sentences use `name` in place of the path. The pixels are in `a`. */
bool image_decode(Image *out, const void *bytes, size_t n, const char *name, Arena *a, Error *e);
/* Decodes the file at `path`. */
bool image_read(Image *out, const char *path, Arena *a, Error *e);
/* As image_read, but alpha is not dropped: the picture is composited on black, RN(colour * alpha / 255), as by
 * Pillow's paste with a mask. */
bool image_read_on_black(Image *out, const char *path, Arena *a, Error *e);

#endif
