/* SPDX-License-Identifier: MIT */
/* Known mistakes before the model: in pictures, tokens and masks. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "model/image/decode.h"
#include "model/image/processor.h"
#include "ref/vectors/case_mask.h"
#include "ref/vectors/case_prep.h"
#include "ref/vectors/case_tok.h"
#include "tensor/base/json.h"
#include "tests/support/wrong/wrong.h"

static bool has_flag(const char *flags, const char *flag)
{
    size_t n = strlen(flag);
    for (; (flags = strstr(flags, flag)); flags += n)
        if (flags[n] == 0 || flags[n] == ' ')
            return true;
    return false;
}

/* --- Pictures --- */

/* Pads the picture where it must be cropped, and crops it where it must be padded. */
static void other_aspect(Wrong *w, const PrepForm *f, const char *id, const Image *decoded, const char *flag)
{
    Image placed;
    ImageProcessor s = prep_settings(f);
    s.pad = !s.pad;
    Tensor pixels = tensor_f32(w->arena, shape_of(3, (size_t)3, f->side, f->side));
    if (!pixels.f32 || !image_fit(&placed, decoded, &s, w->arena, w->error))
        return;
    image_normalise(pixels.f32, &placed, &s);
    wrong_tensor(w, id, flag, "placed", (Tensor){ .shape = shape_of(3, f->side, f->side, (size_t)3), .dtype = U8, .u8 = placed.rgb });
    wrong_tensor(w, id, flag, "pixels", pixels);
}

/* (u - 255 m) / (255 s) in binary32, as the fast image processors of Hugging Face compute it. */
static void fused(Wrong *w, const PrepForm *f, const char *id, const uint8_t *placed)
{
    const ImageProcessor s = prep_settings(f);
    const size_t n = f->side * f->side;
    float *out = wrong_answer(w, id, "FusedNormalise", "pixels", shape_of(3, (size_t)3, f->side, f->side));
    for (size_t i = 0; out && i < 3 * n; i++) {
        const float mean = 255.0f * (float)s.mean[i / n], std = 255.0f * (float)s.std[i / n],
                    centred = (float)placed[3 * (i % n) + i / n] - mean;
        out[i] = centred / std;
    }
}

/* The kernel of cubic convolution by Keys (1981) with a = -3/4, as PyTorch has it. */
static double cubic_kernel(double x)
{
    const double a = -0.75;
    x = fabs(x);
    return x <= 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* Bicubic interpolation between the 4 x 4 nearest pixels, however much the picture shrinks: F.interpolate without
 * antialias. */
static bool interpolate(Image *out, const Image *in, size_t width, size_t height, Arena *a)
{
    *out = (Image){ .width = width, .height = height, .rgb = arena_array(a, width * height, 3) };
    for (size_t k = 0; out->rgb && k < 3 * width * height; k++) {
        double x = ((double)(k / 3 % width) + 0.5) * (double)in->width / (double)width - 0.5,
               y = ((double)(k / 3 / width) + 0.5) * (double)in->height / (double)height - 0.5, sum = 0;
        for (long j = (long)floor(y) - 1; j < (long)floor(y) + 3; j++)
            for (long i = (long)floor(x) - 1; i < (long)floor(x) + 3; i++) {
                long column = i < 0 ? 0 : i < (long)in->width ? i : (long)in->width - 1,
                     row = j < 0 ? 0 : j < (long)in->height ? j : (long)in->height - 1;
                sum += cubic_kernel(x - (double)i) * cubic_kernel(y - (double)j)
                     * in->rgb[3 * (row * (long)in->width + column) + (long)(k % 3)];
            }
        out->rgb[k] = (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : nearbyint(sum));
    }
    return out->rgb != NULL;
}

static void not_smoothed(Wrong *w, const PrepForm *f, const char *id, const Image *decoded)
{
    const ImageProcessor s = prep_settings(f);
    uint8_t colour[3];
    Image x = *decoded, small, placed;
    for (size_t c = 0; c < 3; c++)
        colour[c] = (uint8_t)(s.mean[c] * 255);
    if (s.pad && !image_pad(&x, &x, colour, w->arena, w->error))
        return;
    size_t width = x.width > x.height ? f->side * x.width / x.height : f->side,
           height = x.width > x.height ? f->side : f->side * x.height / x.width;
    Tensor pixels = tensor_f32(w->arena, shape_of(3, (size_t)3, f->side, f->side));
    if (!interpolate(&small, &x, width, height, w->arena) || !pixels.f32
        || !image_crop(&placed, &small, (width - f->side) / 2, (height - f->side) / 2, f->side, f->side, w->arena, w->error))
        return;
    image_normalise(pixels.f32, &placed, &s);
    wrong_tensor(w, id, "NoAntialias", "placed", (Tensor){ .shape = shape_of(3, f->side, f->side, (size_t)3), .dtype = U8,
                                                           .u8 = placed.rgb });
    wrong_tensor(w, id, "NoAntialias", "pixels", pixels);
}

static void prep(Wrong *w, const PrepForm *f)
{
    char *id = arena_format(w->arena, "prep/%s", f->id),
        *path = arena_format(w->arena, "%s/%s/picture.png", w->suite, id);
    Image decoded, black;
    Store right;
    if (!store_open(&right, arena_format(w->arena, "%s/%s/out.safetensors", w->suite, id), w->arena, w->error)
        || !image_read(&decoded, path, w->arena, w->error) || !image_read_on_black(&black, path, w->arena, w->error))
        return;
    const char *const flags[] = { "PadNotCrop", "CropNotPad" };
    for (int k = 0; k < 2; k++)
        if (has_flag(f->mistakes, flags[k]))
            other_aspect(w, f, id, &decoded, flags[k]);
    if (has_flag(f->mistakes, "NoAntialias"))
        not_smoothed(w, f, id, &decoded);
    if (has_flag(f->mistakes, "FusedNormalise"))
        fused(w, f, id, store_find(&right, "placed")->u8);
    if (has_flag(f->mistakes, "AlphaOnBlack"))
        wrong_tensor(w, id, "AlphaOnBlack", "decoded",
                     (Tensor){ .shape = shape_of(3, black.height, black.width, (size_t)3), .dtype = U8, .u8 = black.rgb });
}

/* --- Tokens: a tokenizer that is set up wrongly encodes the same texts. --- */

static void retokenised(Wrong *w, const char *id, const char *flag, json_t *tokenizer, TokenizerSpecials specials)
{
    Store in = wrong_open(w, id), right;
    char *json = json_dumps(tokenizer, 0);
    const Tokenizer *t = json ? tokenizer_parse(json, strlen(json), flag, w->arena, w->error) : NULL;
    free(json);
    json_decref(tokenizer);
    if (!t || !store_open(&right, arena_format(w->arena, "%s/%s/out.safetensors", w->suite, id), w->arena, w->error))
        return;
    const Tensor *text = store_find(&in, "text"), *length = store_find(&in, "text.length"),
        *ids = store_find(&right, "ids");
    const size_t count = ids->shape.dim[0], longest = ids->shape.dim[1];
    Tensor out = { .shape = ids->shape, .dtype = I32, .i32 = arena_array(w->arena, count * longest, sizeof *out.i32) };
    for (size_t k = 0; out.i32 && k < count; k++) {
        TokenIds x = tokenizer_encode_bytes(t, (const char *)text->u8 + k * text->shape.dim[1], (size_t)length->i32[k], specials,
                                            w->arena, w->error);
        for (size_t i = 0; i < longest; i++)
            out.i32[k * longest + i] = i < x.count ? x.id[i] : -1;
    }
    wrong_tensor(w, id, flag, "ids", out);
}

static void tok(Wrong *w, const TokForm *f)
{
    char *id = arena_format(w->arena, "tok/%s", f->id);
    if (has_flag(f->mistakes, "BosMissing"))
        retokenised(w, id, "BosMissing", tok_tokenizer(f->id), TOKENIZER_PLAIN);
    if (has_flag(f->mistakes, "ByteFallbackMissing")) {
        json_t *t = tok_tokenizer(f->id);
        json_object_set_new(json_object_get(t, "model"), "byte_fallback", json_false());
        retokenised(w, id, "ByteFallbackMissing", t, TOKENIZER_SPECIAL);
    }
    if (has_flag(f->mistakes, "PrefixFirst"))
        retokenised(w, id, "PrefixFirst", tok_tokenizer("first"), TOKENIZER_SPECIAL);
    if (has_flag(f->mistakes, "PrefixLegacy"))
        retokenised(w, id, "PrefixLegacy", tok_tokenizer("legacy"), TOKENIZER_SPECIAL);
}

/* --- Masks --- */

/* The right answers of a mask case of `samples` samples and `n` tokens; case_mask.h says what each list holds. */
typedef struct { const int32_t *ids, *targets, *offsets, *image; size_t samples, n; } Right;

static bool of_image(const Right *r, size_t b, size_t token)
{
    const size_t first = (size_t)(r->offsets[b] + r->image[2 * b]);
    return token >= first && token < first + (size_t)r->image[2 * b + 1];
}

typedef bool Learnt(const Right *r, size_t b, size_t token);      // whether the mistake supervises this token
static bool prompt_too(const Right *r, size_t b, size_t token) { return !of_image(r, b, token); }
static bool image_too(const Right *r, size_t b, size_t token) { return of_image(r, b, token); }

static void more_learnt(Wrong *w, const char *id, const char *flag, const Right *r, Learnt *learnt)
{
    Tensor t = { .shape = shape_of(1, r->n), .dtype = I32, .i32 = arena_array(w->arena, r->n, sizeof *t.i32) };
    Tensor count = { .shape = shape_of(1, r->samples), .dtype = I32,
                     .i32 = arena_zalloc(w->arena, r->samples * sizeof *count.i32) };
    for (size_t b = 0; t.i32 && count.i32 && b < r->samples; b++)
        for (size_t i = (size_t)r->offsets[b]; i < (size_t)r->offsets[b + 1]; i++) {
            const bool next = i + 1 < (size_t)r->offsets[b + 1];
            t.i32[i] = next && learnt(r, b, i + 1) ? r->ids[i + 1] : r->targets[i];
            count.i32[b] += t.i32[i] >= 0;
        }
    wrong_tensor(w, id, flag, "targets", t);
    wrong_tensor(w, id, flag, "supervised", count);
}

/* The label of each row is its own token instead of the next one. */
static void not_shifted(Wrong *w, const char *id, const Right *r)
{
    Tensor t = { .shape = shape_of(1, r->n), .dtype = I32, .i32 = arena_array(w->arena, r->n, sizeof *t.i32) };
    for (size_t b = 0; t.i32 && b < r->samples; b++)
        for (size_t i = (size_t)r->offsets[b]; i < (size_t)r->offsets[b + 1]; i++)
            t.i32[i] = i > (size_t)r->offsets[b] && r->targets[i - 1] >= 0 ? r->ids[i] : -1;
    wrong_tensor(w, id, "ShiftOff1", "targets", t);
}

/* The labels are shifted before the one token of the picture becomes many. So the first row of the picture predicts the
 * token after the picture. */
static void shifted_early(Wrong *w, const char *id, const Right *r)
{
    Tensor t = { .shape = shape_of(1, r->n), .dtype = I32, .i32 = arena_array(w->arena, r->n, sizeof *t.i32) };
    if (t.i32)
        memcpy(t.i32, r->targets, r->n * sizeof *t.i32);
    for (size_t b = 0; t.i32 && b < r->samples; b++) {
        size_t first = (size_t)(r->offsets[b] + r->image[2 * b]), rows = (size_t)r->image[2 * b + 1];
        if (rows > 1) {
            t.i32[first] = r->targets[first + rows - 1];
            t.i32[first + rows - 1] = -1;
        }
    }
    wrong_tensor(w, id, "ImageBorderShift", "targets", t);
}

/* Pads the samples to the length of the longest one, and counts the padding as supervised. */
static void padded(Wrong *w, const char *id, const Right *r)
{
    int32_t longest = 0;
    Tensor count = { .shape = shape_of(1, r->samples), .dtype = I32,
                     .i32 = arena_zalloc(w->arena, r->samples * sizeof *count.i32) };
    for (size_t b = 0; b < r->samples; b++)
        longest = r->offsets[b + 1] - r->offsets[b] > longest ? r->offsets[b + 1] - r->offsets[b] : longest;
    for (size_t b = 0; count.i32 && b < r->samples; b++) {
        count.i32[b] = longest - (r->offsets[b + 1] - r->offsets[b]);
        for (int32_t i = r->offsets[b]; i < r->offsets[b + 1]; i++)
            count.i32[b] += r->targets[i] >= 0;
    }
    wrong_tensor(w, id, "PadInMean", "supervised", count);
}

static void mask(Wrong *w, const MaskForm *f)
{
    char *id = arena_format(w->arena, "mask/%s.%s", prompt_template_name(f->template), prompt_mask_name(f->mask));
    Store right;
    if (!store_open(&right, arena_format(w->arena, "%s/%s/out.safetensors", w->suite, id), w->arena, w->error))
        return;
    const Tensor *ids = store_find(&right, "ids");
    const Right r = { ids->i32, store_find(&right, "targets")->i32, store_find(&right, "offsets")->i32, store_find(&right, "image")->i32,
                      store_find(&right, "supervised")->shape.dim[0], ids->shape.dim[0] };
    if (has_flag(f->mistakes, "PromptInLoss"))
        more_learnt(w, id, "PromptInLoss", &r, prompt_too);
    if (has_flag(f->mistakes, "ImageTokensInLoss"))
        more_learnt(w, id, "ImageTokensInLoss", &r, image_too);
    if (has_flag(f->mistakes, "ShiftOff1"))
        not_shifted(w, id, &r);
    if (has_flag(f->mistakes, "ImageBorderShift"))
        shifted_early(w, id, &r);
    if (has_flag(f->mistakes, "PadInMean"))
        padded(w, id, &r);
}

void wrong_inputs(Wrong *w)
{
    for (size_t k = 0; k < prep_forms_count && !w->error->failed; k++)
        prep(w, &prep_forms[k]);
    for (size_t k = 0; k < tok_forms_count && !w->error->failed; k++)
        tok(w, &tok_forms[k]);
    for (size_t k = 0; k < mask_forms_count && !w->error->failed; k++)
        mask(w, &mask_forms[k]);
}
