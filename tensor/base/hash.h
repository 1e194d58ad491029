/* SPDX-License-Identifier: MIT */
/* Content digests: SHA-256 (libmd) of bytes, texts and files. tensor/tensor.h has the digest of a tensor. */
#ifndef PULSE_TENSOR_BASE_HASH_H
#define PULSE_TENSOR_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include "tensor/base/error.h"

typedef struct { char hex[65]; } Digest;      // lower case, and a zero byte

typedef struct { uint64_t state[32]; } Hash;   // a running digest, a plain value; room for libmd's SHA2_CTX

Hash   hash_begin(void);
void   hash_bytes(Hash *h, const void *data, size_t n);
void   hash_text(Hash *h, const char *text);                  // with its final zero byte
Digest hash_end(Hash *h);

Digest digest_bytes(const void *data, size_t n);
bool   digest_file(const char *path, Digest *out, Error *e);

#endif
