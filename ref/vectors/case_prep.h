/* SPDX-License-Identifier: MIT */
/* Prep case: a picture on the road to the vision tower (model/image/processor.h).
 *
 * picture.png: bytes drawn at random, the hardest for a filter; preprocessor_config.json: what is done with it, but for
 * `normalise` of case.json. out: pixels F32 [3, side, side]; decoded U8 [height, width, 3], the picture as RGB; placed U8
 * [side, side, 3], after pad, resize and crop. All three are exact: integers, and floats whose every rounding is defined. */
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
    const char *id, *flags;
    PngForm png;
    size_t side;
    bool pad, fused;
} PrepForm;

extern const PrepForm prep_forms[];
extern const size_t prep_forms_count;

/* The file of the picture, and what is done with it. */
bool prep_picture(const PrepForm *f, Made *png, Arena *a, Error *e);
ImageProcessor prep_settings(const PrepForm *f);
bool prep_case_make(const PrepForm *f, const Made *png, LossCase *c, Arena *a, Error *e);

#endif
