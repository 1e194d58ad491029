/* SPDX-License-Identifier: MIT */
/* Turns pictures of the caller into pixels for the vision tower. */
#include "model/image/decode.h"
#include "model/image/processor.h"
#include "ref/api/api.h"

struct pulse_processor {
    Arena own;
    ImageProcessor processor;
};

pulse_status pulse_processor_open(pulse_context *c, const char *path, pulse_processor **out)
{
    ApiCall call = api_enter(c);
    if (call.open && api_given(c, out, "out")) {
        *out = NULL;
        pulse_processor *p = api_given(c, path, "path") ? api_handle(c, sizeof *p) : NULL;
        if (p && image_processor_read(&p->processor, path, &c->error))
            *out = api_opened(p);
        else
            pulse_processor_close(p);
    }
    return api_leave(call);
}

void pulse_processor_close(pulse_processor *p) { api_free(p); }

pulse_status pulse_processor_size(pulse_context *c, const pulse_processor *p, size_t *width, size_t *height)
{
    ApiCall call = api_enter(c);
    if (call.open && api_given(c, p, "processor") && api_given(c, width, "width") && api_given(c, height, "height"))
        image_processor_size(&p->processor, width, height, &c->error);
    return api_leave(call);
}

/* Whether the pixels fit the buffer. The size is known before the picture is looked at. */
static bool pixels_fit(pulse_context *c, const pulse_processor *p, const float *pixels, size_t n)
{
    size_t width, height;
    if (!api_given(c, p, "processor") || !api_given(c, pixels, "pixels")
        || !image_processor_size(&p->processor, &width, &height, &c->error))
        return false;
    if ((uintptr_t)pixels % 4)
        return error_set(&c->error, "the pixels are not aligned: their address is not a multiple of 4");
    return n == 3 * width * height || error_set(&c->error, "there is room for %zu pixels, expected 3 * %zu * %zu", n, height, width);
}

static void preprocess(pulse_context *c, const pulse_processor *p, const Image *picture, float *pixels)
{
    image_preprocess(pixels, picture, &p->processor, &c->scratch, &c->error);
}

pulse_status pulse_pixels_file(pulse_context *c, const pulse_processor *p, const char *path, float *pixels,
                               size_t n_pixels)
{
    ApiCall call = api_enter(c);
    Image picture;
    if (call.open && pixels_fit(c, p, pixels, n_pixels) && api_given(c, path, "path")
        && image_read(&picture, path, &c->scratch, &c->error))
        preprocess(c, p, &picture, pixels);
    return api_leave(call);
}

pulse_status pulse_pixels_bytes(pulse_context *c, const pulse_processor *p, const void *bytes, size_t n_bytes, float *pixels,
                                size_t n_pixels)
{
    ApiCall call = api_enter(c);
    Image picture;
    if (call.open && pixels_fit(c, p, pixels, n_pixels) && api_given(c, bytes, "bytes")
        && image_decode(&picture, bytes, n_bytes, "the picture", &c->scratch, &c->error))
        preprocess(c, p, &picture, pixels);
    return api_leave(call);
}

pulse_status pulse_pixels_rgb(pulse_context *c, const pulse_processor *p, const uint8_t *rgb, size_t width, size_t height,
                              float *pixels, size_t n_pixels)
{
    ApiCall call = api_enter(c);
    if (call.open && pixels_fit(c, p, pixels, n_pixels) && api_given(c, rgb, "rgb")) {
        if (width == 0 || height == 0 || width > IMAGE_VALUES_MAX / 4 / height)
            error_set(&c->error, "the picture has %zu x %zu pixels, expected 1 to %zu of them", width, height,
                      IMAGE_VALUES_MAX / 4);
        else
            preprocess(c, p, &(Image){ .width = width, .height = height, .rgb = (uint8_t *)(uintptr_t)rgb }, pixels);
    }
    return api_leave(call);
}
