/* SPDX-License-Identifier: MIT */
/* Content digests: SHA-256 (libmd) of bytes, files and tensors; the same on every byte order.
 *
 * A tensor's digest is SHA-256 over "name\0dtype\0shape\0" + its values little-endian, where shape is
 * "[3, 4]"; so it does not depend on the order of a file's header (INTEROP 4.2). */
#ifndef PULSE_TENSOR_HASH_H
#define PULSE_TENSOR_HASH_H

#include "tensor/tensor.h"

typedef struct { char hex[65]; } Digest;      // lower case, and a zero

typedef struct { uint64_t room[32]; } Hash;   // a running digest, a plain value; room for libmd's SHA2_CTX

Hash   hash_begin(void);
void   hash_bytes(Hash *h, const void *data, size_t n);
void   hash_text(Hash *h, const char *text);                  // with its final zero
void   hash_tensor(Hash *h, const char *name, Tensor t);      // name, dtype, shape, little-endian values
Digest hash_end(Hash *h);

Digest digest_bytes(const void *data, size_t n);
Digest digest_tensor(const char *name, Tensor t);
bool   digest_file(const char *path, Digest *out, Error *e);

#endif
