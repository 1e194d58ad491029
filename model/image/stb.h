/* SPDX-License-Identifier: MIT */
/* What stb_image says as "outofmem" has two causes, which this header tells apart: too little memory, or a file that asks for too much. */
#ifndef PULSE_MODEL_IMAGE_STB_H
#define PULSE_MODEL_IMAGE_STB_H

#include <stdbool.h>

enum { STB_BYTES_MAX = 1 << 30 };      // of one allocation of stb_image

/* Set when stb_image asked for more than STB_BYTES_MAX bytes in this thread. The caller clears it before decoding. */
extern _Thread_local bool stb_limit_reached;

#endif
