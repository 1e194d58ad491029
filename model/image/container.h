/* SPDX-License-Identifier: MIT */
/* Container: checks the chunks or segments of a PNG or JPEG file before a decoder reads it.
 *
 * stb_image skips PNG checksums, leaves parts of a short palette unset and writes past its arrays on some damaged JPEG
 * tables. Here, container_check refuses files with a wrong checksum or such a table, so the decoder is only given files
 * whose chunks or segments are whole. container_fill_palette completes a short palette.
 * Thread-safe as long as each thread has its own arena and Error. */
#ifndef PULSE_MODEL_IMAGE_CONTAINER_H
#define PULSE_MODEL_IMAGE_CONTAINER_H

#include <stdint.h>
#include "tensor/base/arena.h"
#include "tensor/base/limits.h"

enum { CONTAINER_BYTES_MAX = LIMIT_PICTURE_FILE };

/* The CRC-32 of n bytes, as in PNG chunks (ISO 3309, polynomial 0xedb88320). */
uint32_t container_crc32(const uint8_t *p, size_t n);

/* Fails on a file that is neither PNG nor JPEG, on a truncated or damaged file, and on 16-bit grey PNGs.
 * `name` begins the sentence of the failure. */
bool container_check(const uint8_t *p, size_t n, const char *name, Error *e);

/* Fails unless w x h is at least 1 x 1 and has at most IMAGE_VALUES_MAX / 4 pixels. */
bool container_size_check(size_t w, size_t h, const char *name, Error *e);

/* Fills the palette of a PNG up to 256 colours; a missing colour k becomes the grey k, as in Pillow. Returns `p`
 * itself if nothing is missing; otherwise a copy in `a`, and *n becomes its length. The file must have passed
 * container_check. NULL: no memory. */
const void *container_fill_palette(const uint8_t *p, size_t *n, Arena *a);

#endif
