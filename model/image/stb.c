/* SPDX-License-Identifier: MIT */
/* The only file that compiles stb_image and stb_image_write: PNG and JPEG from memory, in plain C.
 * The size of one allocation is limited, so that a few bytes of zlib cannot inflate without end. */
#include "model/image/stb.h"

#include <stdlib.h>

_Thread_local bool stb_limit_reached;

static void *stb_realloc(void *p, size_t n)
{
    stb_limit_reached |= n > STB_BYTES_MAX;
    return n > STB_BYTES_MAX ? NULL : realloc(p, n);
}

#define STBI_MALLOC(n)     stb_realloc(NULL, n)
#define STBI_REALLOC(p, n) stb_realloc(p, n)
#define STBI_FREE(p)       free(p)
#define STBI_NO_SIMD
#define STBI_NO_STDIO
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>

#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>
