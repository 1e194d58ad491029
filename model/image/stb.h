/* SPDX-License-Identifier: MIT */
/* Limits on the memory of stb_image and stb_image_write. stb_image reports "outofmem" for two reasons, which this
 * header tells apart: there is too little memory, or the file asks for more than the limit. */
#ifndef PULSE_MODEL_IMAGE_STB_H
#define PULSE_MODEL_IMAGE_STB_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>

enum { STB_BYTES_MAX = 1 << 30 };      // of one allocation, whatever the picture

/* The most bytes that one allocation of stb_image may have in this thread, which the caller sets before decoding, and
 * whether it asked for more. So data that inflate beyond a picture's size are refused when the limit is reached, not
 * when memory is. */
extern _Thread_local size_t stb_bytes_most;
extern _Thread_local bool stb_limit_reached;

/* A PNG through stbi_write_png_to_func. stb_image_write aborts or writes to NULL where it gets no memory; here it is
 * left by a jump, and all that it held is freed. False: there was no memory. */
bool stb_write_png(void (*write)(void *context, void *data, int n), void *context, int width, int height,
                   const void *rgb);

#endif
