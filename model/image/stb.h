/* SPDX-License-Identifier: MIT */
/* Limits on the memory of stb_image and stb_image_write. stb_image reports "outofmem" for two reasons: there is too
 * little memory, or the file asks for more than the limit. stb_limit_reached tells them apart. */
#ifndef PULSE_MODEL_IMAGE_STB_H
#define PULSE_MODEL_IMAGE_STB_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>

enum { STB_BYTES_MAX = 1 << 30 };      // the most bytes of one allocation, whatever the picture

/* stb_bytes_most is the most bytes that one allocation of stb_image may have in this thread; the caller sets it
 * before decoding. stb_limit_reached tells whether stb_image asked for more. So data that inflate far beyond a
 * picture's size are refused before they use up the memory. */
extern _Thread_local size_t stb_bytes_most;
extern _Thread_local bool stb_limit_reached;

/* Writes a PNG with stbi_write_png_to_func. stb_image_write itself aborts, or writes to NULL, if it gets no memory.
 * Here it is left with longjmp, and all its memory is freed. False: there was no memory. */
bool stb_write_png(void (*write)(void *context, void *data, int n), void *context, int width, int height,
                   const void *rgb);

#endif
