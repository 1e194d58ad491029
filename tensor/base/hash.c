/* SPDX-License-Identifier: MIT */
#include "tensor/base/hash.h"

#include <errno.h>
#include <sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

_Static_assert(sizeof(SHA2_CTX) <= sizeof(Hash) && _Alignof(SHA2_CTX) <= _Alignof(Hash), "Hash holds libmd's context");

enum { PIECE = 1 << 14 };

Hash hash_begin(void)
{
    Hash h = { { 0 } };
    SHA256Init((SHA2_CTX *)h.state);
    return h;
}

void hash_bytes(Hash *h, const void *data, size_t n)
{
    if (n)
        SHA256Update((SHA2_CTX *)h->state, data, n);
}

void hash_text(Hash *h, const char *text)
{
    hash_bytes(h, text, strlen(text) + 1);
}

Digest hash_end(Hash *h)
{
    uint8_t sum[SHA256_DIGEST_LENGTH];
    Digest d;
    SHA256Final(sum, (SHA2_CTX *)h->state);
    for (int i = 0; i < SHA256_DIGEST_LENGTH; i++) {
        d.hex[2 * i] = "0123456789abcdef"[sum[i] >> 4];
        d.hex[2 * i + 1] = "0123456789abcdef"[sum[i] & 15];
    }
    d.hex[64] = 0;
    return d;
}

Digest digest_bytes(const void *data, size_t n)
{
    Hash h = hash_begin();
    hash_bytes(&h, data, n);
    return hash_end(&h);
}

bool digest_file(const char *path, Digest *out, Error *e)
{
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))                 // opening a pipe could wait for ever
        return error_set(e, "%s: is not a regular file", path);
    FILE *f = fopen(path, "rb");
    if (!f)
        return error_io(e, "%s: cannot be read: %s", path, strerror(errno));
    Hash h = hash_begin();
    unsigned char piece[PIECE];
    size_t n;
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        hash_bytes(&h, piece, n);
    bool good = !ferror(f);
    fclose(f);
    *out = hash_end(&h);
    return good || error_io(e, "%s: reading failed", path);
}
