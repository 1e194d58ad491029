/* SPDX-License-Identifier: MIT */
/* Prep case: a picture and the pixels that the image processor makes of it (model/image/processor.h).
 *
 * picture.png holds random bytes, which are the hardest input for a filter. preprocessor_config.json has the
 * settings, except for `normalise`, which is in case.json. out.safetensors holds
 *     decoded U8 [height, width, 3]    the picture as RGB
 *     placed U8 [side, side, 3]        the picture after pad, resize and crop
 *     pixels F32 [3, side, side]       what the vision tower reads
 * All three are exact: they are integers, or floats whose roundings are all defined. */
#ifndef PULSE_REF_VECTORS_CASE_PREP_H
#define PULSE_REF_VECTORS_CASE_PREP_H

#include "model/image/image.h"
#include "model/image/processor.h"
#include "ref/vectors/case_loss.h"
#include "ref/vectors/made.h"

#define PREP_SLOW \
    "p = (RN(RN64(u * RN64(1 / 255))) - m) / s, each rounded; u = bytes after [pad to a square of trunc(255 m),] bicubic " \
    "resize as Pillow, centre crop"
#define PREP_FUSED \
    "p = (u - RN(255 m)) / RN(255 s), each rounded; u = bytes after [pad to a square of trunc(255 m),] bicubic resize as " \
    "Pillow, centre crop"

typedef struct {
    const char *id, *mistakes;           // mistakes: as in SuiteCase (suite.h)
    PngForm png;
    size_t side;
    bool pad, fused;                     // pad: padded to a square, not cropped; fused: PREP_FUSED, not PREP_SLOW
} PrepForm;

extern const PrepForm prep_forms[];
extern const size_t prep_forms_count;

/* The bytes of picture.png, and the settings of preprocessor_config.json. */
bool prep_picture(const PrepForm *f, Made *png, Arena *a, Error *e);
ImageProcessor prep_settings(const PrepForm *f);
bool prep_case_make(const PrepForm *f, const Made *png, LossCase *c, Arena *a, Error *e);

#endif
