/* SPDX-License-Identifier: MIT */
#include "ref/vectors/case_prep.h"

#include <stdio.h>
#include "model/image/decode.h"
#include "tensor/base/random.h"

/* The forms crop and pad make wide, tall, very thin and square pictures smaller or larger, or keep their size; the
 * forms png have the kinds of PNG. */
const PrepForm prep_forms[] = {
    { "crop.wide", "PadNotCrop NoAntialias FusedNormalise", { 50, 37, 8, 2, 0 }, 28, false, false },
    { "crop.tall", "PadNotCrop NoAntialias FusedNormalise", { 37, 50, 8, 2, 0 }, 28, false, false },
    { "crop.up", "PadNotCrop FusedNormalise", { 19, 13, 8, 2, 0 }, 28, false, false },
    { "crop.line", "PadNotCrop FusedNormalise", { 90, 5, 8, 2, 0 }, 14, false, false },
    { "crop.same", "FusedNormalise", { 28, 28, 8, 2, 0 }, 28, false, false },
    { "crop.odd", "PadNotCrop NoAntialias FusedNormalise", { 41, 40, 8, 2, 0 }, 33, false, false },
    { "crop.fused", "PadNotCrop", { 50, 37, 8, 2, 0 }, 28, false, true },
    { "pad.wide", "CropNotPad NoAntialias FusedNormalise", { 50, 37, 8, 2, 0 }, 28, true, false },
    { "pad.tall", "CropNotPad NoAntialias FusedNormalise", { 37, 50, 8, 2, 0 }, 28, true, false },
    { "pad.up", "CropNotPad FusedNormalise", { 19, 13, 8, 2, 0 }, 28, true, false },
    { "pad.line", "CropNotPad FusedNormalise", { 6, 91, 8, 2, 0 }, 14, true, false },
    { "png.grey1", "", { 31, 19, 1, 0, 0 }, 14, false, false },
    { "png.grey8", "", { 31, 19, 8, 0, 0 }, 14, true, false },
    { "png.greyalpha8", "AlphaOnBlack", { 31, 19, 8, 4, 0 }, 14, false, false },
    { "png.palette4", "", { 31, 19, 4, 3, 0 }, 14, false, false },
    { "png.palettealpha8", "AlphaOnBlack", { 31, 19, 8, 3, 0 }, 14, true, false },
    { "png.rgba8", "AlphaOnBlack", { 31, 19, 8, 6, 0 }, 14, false, false },
    { "png.rgb16", "", { 31, 19, 16, 2, 0 }, 14, true, false },
    { "png.rgba16", "AlphaOnBlack", { 31, 19, 16, 6, 0 }, 14, false, false },
};
const size_t prep_forms_count = sizeof prep_forms / sizeof *prep_forms;

static const uint8_t *noise(const char *id, const char *what, size_t n, Arena *a)
{
    char purpose[96];
    uint8_t *out = arena_alloc(a, n);
    snprintf(purpose, sizeof purpose, "vectors.prep.%s.%s", id, what);
    const Random r = random_for(1, purpose);
    for (size_t i = 0; out && i < n; i++)
        out[i] = (uint8_t)random_below(r, i, 256);
    return out;
}

bool prep_picture(const PrepForm *f, Made *png, Arena *a, Error *e)
{
    size_t n = f->png.height * png_row(&f->png), colours = (size_t)1 << f->png.depth;
    const uint8_t *rows = noise(f->id, "rows", n, a);
    *png = made_make(n + n / 8 + 2048, a);
    if (!rows)
        return false;
    png_begin(png, &f->png);
    if (f->png.colour == 3) {
        const uint8_t *palette = noise(f->id, "palette", 3 * colours, a), *alpha = noise(f->id, "alpha", colours, a);
        png_chunk(png, "PLTE", palette, palette ? 3 * colours : 0);
        if (colours == 256)
            png_chunk(png, "tRNS", alpha, alpha ? colours : 0);
    }
    png_rows(png, &f->png, rows);
    png_end(png);
    return !e->failed;
}

ImageProcessor prep_settings(const PrepForm *f)
{
    ImageProcessor s = image_processor(f->side);
    s.pad = f->pad;
    s.fused = f->fused;
    return s;
}

static Entry bytes(const char *name, const Image *x)
{
    return (Entry){ name, { .shape = shape_of(3, x->height, x->width, (size_t)3), .dtype = U8, .u8 = x->rgb } };
}

bool prep_case_make(const PrepForm *f, const Made *png, LossCase *c, Arena *a, Error *e)
{
    Image decoded, placed;
    const ImageProcessor s = prep_settings(f);
    Tensor pixels = tensor_f32(a, shape_of(3, (size_t)3, f->side, f->side));
    if (!pixels.f32 || !image_decode(&decoded, png->at, png->n, f->id, a, e) || !image_fit(&placed, &decoded, &s, a, e))
        return false;
    image_normalise(pixels.f32, &placed, &s);
    *c = (LossCase){ .out = { { "pixels", pixels }, bytes("decoded", &decoded), bytes("placed", &placed) },
                     .out_count = 3 };
    return true;
}
