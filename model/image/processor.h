/* SPDX-License-Identifier: MIT */
/* ImageProcessor: the settings of preprocessor_config.json (CLIPImageProcessor, LlavaImageProcessor), and the steps
 * that turn a picture into the floats of the vision tower.
 *
 *     Image picture;
 *     if (image_read(&picture, "flag.png", &arena, &error))
 *         image_preprocess(pixels, &picture, &processor, &arena, &error);      // float pixels[3 * H * W]
 *
 * The steps, in this order: pad to a square (only LlavaImageProcessor), resize with Pillow's filter, crop the
 * centre, normalise. Every step but the last works on integers and equals Pillow bit for bit. Normalising rounds after
 * each operation (image_normalise). Thread-safe as long as each thread has its own arena and Error. */
#ifndef PULSE_MODEL_IMAGE_PROCESSOR_H
#define PULSE_MODEL_IMAGE_PROCESSOR_H

#include "model/image/resize.h"

typedef struct {
    bool        pad;                     // do_pad: pad to a square before the resize, with the colour trunc(mean * 255)
    bool        resize;                  // do_resize
    // size.shortest_edge in pixels; the other edge becomes floor(shortest * long / short). 0: width and height are used
    size_t      shortest;
    size_t      width, height;           // size.width and size.height in pixels, if `shortest` is 0
    bool        crop;                    // do_center_crop: the crop begins at (length - crop) / 2, rounded down
    size_t      crop_width, crop_height;
    ImageFilter filter;                  // resample
    double      scale;                   // rescale_factor, by default 1/255; 1 if do_rescale is false
    bool        normalise;               // do_normalize
    double      mean[3], std[3];         // image_mean and image_std; normalising uses the nearest floats
    bool        fused;                   // a switch of this program, not a key of the file (image_normalise)
} ImageProcessor;

/* The processor of LLaVA-1.5 on the Hub for a tower of `side` pixels: bicubic resize, centre crop, CLIP's mean and
 * std. */
ImageProcessor image_processor(size_t side);
/* Reads preprocessor_config.json at `path`. A key that is absent or null has the default of CLIPImageProcessor. A key
 * that is unknown or contradicts another is an error that names it. `fused` becomes false. */
bool image_processor_read(ImageProcessor *out, const char *path, Error *e);
bool image_processor_write(const ImageProcessor *s, const char *path, Error *e);
/* The picture processor of a model folder: preprocessor_config.json, or "image_processor" in processor_config.json,
 * where transformers 5 puts it. Fails if both are there with different settings, and if
 * processor_config.json names another image token than "<image>". */
bool image_processor_open(ImageProcessor *out, const char *folder, Error *e);
/* Writes the processor_config.json of LlavaProcessor at `path`, with which transformers' AutoProcessor makes as
 * many <image> tokens as this program. `strategy` is config.json's vision_feature_select_strategy. The other keys
 * are copied from the file at `source`; this file may be absent, and `source` may be NULL. */
bool processor_config_write(const char *path, const char *source, size_t patch_size, const char *strategy, Error *e);
/* The size in pixels of the result of image_preprocess. Fails if it depends on the picture (no crop and no fixed
 * size). */
bool image_processor_size(const ImageProcessor *s, size_t *width, size_t *height, Error *e);

/* Turns bytes into floats [3, H, W]. RN rounds to binary32, RN64 to binary64; m and d are the floats nearest to
 * mean and std; u is a byte:
 *     v = RN(RN64(u * scale)),  y = RN(RN(v - m) / d)                   (transformers' slow processors; our definition)
 *     fused:  k = RN(RN64(1 / scale)),  y = RN(RN(u - RN(m k)) / RN(d k))   (transformers' fast processors)
 * If `normalise` is false, y is v, or u if `fused` is set. `out` has 3 * in->height * in->width floats. */
void image_normalise(float *out, const Image *in, const ImageProcessor *s);
/* All steps before normalising: pads, resizes and crops the picture. The result is bytes in `a`; if the settings ask
 * for none of these steps, it shares the bytes of `in`. */
bool image_fit(Image *out, const Image *in, const ImageProcessor *s, Arena *a, Error *e);
/* All steps. `out` has 3 * height * width floats, for the size that image_processor_size gives. */
bool image_preprocess(float *out, const Image *in, const ImageProcessor *s, Arena *a, Error *e);

#endif
