/* SPDX-License-Identifier: MIT */
/* Orientation: the EXIF tag 0x0112 of a picture file, which says how a camera was held, and the turn that it asks for.
 *
 * The values are those of TIFF 6.0. To be shown, the picture must be
 *     1   left as stored                       2   mirrored left to right
 *     3   turned by 180 degrees                4   mirrored top to bottom
 *     5   transposed                           6   turned by 90 degrees clockwise
 *     7   transposed over the other diagonal   8   turned by 90 degrees counterclockwise
 * The turn moves whole pixels and equals Pillow's ImageOps.exif_transpose.
 * Thread-safe as long as each thread has its own arena and Error. */
#ifndef PULSE_MODEL_IMAGE_ORIENTATION_H
#define PULSE_MODEL_IMAGE_ORIENTATION_H

#include "model/image/image.h"

/* The tag of n bytes of a file that has passed container_check: in a JPEG the first APP1 segment with "Exif" before
 * the scan, in a PNG the first eXIf chunk. 1 if there is no tag, if its value is not 1 to 8, or if the EXIF data
 * are damaged. Orientations in XMP or in PNG text chunks are not read. No byte outside the segment or chunk is
 * read. */
unsigned orientation_of(const uint8_t *bytes, size_t n);
/* Turns the picture by its orientation, which then becomes 1. New pixels are in `a`; the old ones are not changed.
 * A picture whose orientation is 0 or 1 stays as it is. */
bool orientation_apply(Image *picture, Arena *a, Error *e);

#endif
