/* SPDX-License-Identifier: MIT */
/* Image: a picture as bytes, and the road from a file to the floats that the vision tower reads.
 *
 * The road (INTEROP 2.4): decode to RGB, [pad to a square], resize the shortest edge with Pillow's
 * filter, crop the centre, normalise. Up to the last step everything is integers that equal
 * Pillow's (PIL.Image.resize) bit for bit; the last step is fp32, one rounding an operation.
 *
 *     Image picture;
 *     if (image_read(&picture, "flag.png", arena, error))
 *         image_prepare(pixels, &picture, &settings, arena, error);      // float pixels[3*H*W]
 *
 * Decoding: PNG and JPEG by stb_image. As Pillow's convert("RGB"): grey is repeated, a palette
 * looked up, alpha dropped, 16-bit colour cut to its high byte; 16-bit grey, where Pillow clips, is
 * refused. EXIF rotation is not applied. JPEG pixels are decoder-defined (stb's are up to 3 away
 * from libjpeg-turbo's): convert to PNG once to compare with others.
 * Fails, with a sentence: no such file, not PNG or JPEG, truncated or damaged (PNG checksums are
 * checked), no pixels, 4 * width * height over IMAGE_VALUES_MAX (known before decoding). */
#ifndef PULSE_MODEL_IMAGE_IMAGE_H
#define PULSE_MODEL_IMAGE_IMAGE_H

#include <stdint.h>
#include <stdio.h>
#include "tensor/base/arena.h"

#define IMAGE_VALUES_MAX ((size_t)1 << 28)

typedef struct {
    size_t   width, height;
    uint8_t *rgb;                 // [height, width, 3]
} Image;

/* CRC-32 of PNG's chunks (ISO 3309). */
uint32_t image_crc32(const uint8_t *p, size_t n);

/* Pillow's numbers, as `resample` in preprocessor_config.json. (Lanczos and Hamming need a sine.) */
typedef enum { IMAGE_BILINEAR = 2, IMAGE_BICUBIC = 3, IMAGE_BOX = 4 } ImageFilter;

bool image_decode(Image *out, const void *bytes, size_t n, const char *name, Arena *a, Error *e);
bool image_read(Image *out, const char *path, Arena *a, Error *e);
/* Composited on black instead of alpha dropped: RN(colour * alpha / 255), as Pillow's paste with a mask. */
bool image_read_on_black(Image *out, const char *path, Arena *a, Error *e);

/* Pillow's Image.resize(size, filter) of an RGB picture, to the bit. `width` and `height` >= 1. */
bool image_resize(Image *out, const Image *in, size_t width, size_t height, ImageFilter filter, Arena *a, Error *e);
/* A square with the picture in its middle, offset (side - length) / 2 rounded down, as LLaVA's expand2square. */
bool image_pad(Image *out, const Image *in, const uint8_t colour[3], Arena *a, Error *e);
bool image_crop(Image *out, const Image *in, size_t left, size_t top, size_t width, size_t height, Arena *a, Error *e);

/* Same picture, same bytes, everywhere. Written beside and renamed. */
bool image_write_png(const char *path, const Image *in, Error *e);
bool image_print_png(FILE *f, const Image *in);                    // at most IMAGE_VALUES_MAX / 4 pixels; false: no memory, or the disk is full

/* What preprocessor_config.json says (CLIPImageProcessor, LlavaImageProcessor). */
typedef struct {
    bool        pad;                     // do_pad: to a square of colour trunc(mean * 255), before the resize
    bool        resize;                  // do_resize
    size_t      shortest;                // size.shortest_edge; the other edge is floor(shortest * long / short). 0: see next
    size_t      width, height;           // size.width, size.height, when shortest is 0
    bool        crop;                    // do_center_crop: offset (length - crop) / 2 rounded down
    size_t      crop_width, crop_height;
    ImageFilter filter;                  // resample
    double      scale;                   // rescale_factor, 1/255; 1 when do_rescale is false
    bool        normalise;               // do_normalize
    double      mean[3], std[3];         // as written; used as floats
    bool        fused;                   // our switch, not in the file: see image_normalise
} ImageSettings;

ImageSettings image_settings(size_t side);        // LLaVA-1.5 as on the Hub: crop, bicubic, CLIP's mean and std
/* Unknown, missing or contradictory keys are errors that name the key. `fused` comes out false. */
bool image_settings_read(ImageSettings *out, const char *path, Error *e);
bool image_settings_write(const ImageSettings *s, const char *path, Error *e);
/* processor_config.json of LlavaProcessor, by which transformers' AutoProcessor makes as many tokens of <image> as we do. */
bool image_processor_write(const char *path, size_t patch_size, Error *e);
/* The size of what image_prepare makes; error where it depends on the picture (no crop, no fixed size). */
bool image_settings_size(const ImageSettings *s, size_t *width, size_t *height, Error *e);

/* Bytes to floats [3, H, W]; RN is binary32, RN64 binary64, m and s the floats nearest to mean and std:
 *     v = RN(RN64(u * scale)),  y = RN(RN(v - m) / s)             (numpy in HF's slow processors; the definition)
 *     fused:  k = RN(RN64(1 / scale)),  y = RN(RN(u - RN(m k)) / RN(s k))              (HF's fast processors) */
void image_normalise(float *out, const Image *in, const ImageSettings *s);
/* The road up to there, in bytes: padded, resized, cropped. */
bool image_place(Image *out, const Image *in, const ImageSettings *s, Arena *a, Error *e);
/* The whole road; `out` has 3 * height * width floats as image_settings_size says. */
bool image_prepare(float *out, const Image *in, const ImageSettings *s, Arena *a, Error *e);

#endif
