/* SPDX-License-Identifier: MIT */
/* The one place where stb_image and stb_image_write are compiled: PNG and JPEG, from memory, plain C.
 * A single allocation is limited, so that a few bytes of zlib cannot inflate without end. */
#include <stdlib.h>

enum { STB_ALLOC_MAX = 1 << 30 };

static void *stb_realloc(void *p, size_t n) { return n > STB_ALLOC_MAX ? NULL : realloc(p, n); }

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
