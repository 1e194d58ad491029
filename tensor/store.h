/* SPDX-License-Identifier: MIT */
/* Store: named tensors in one safetensors file, mapped when read, written whole or not at all.
 *
 * Format: u64 little-endian header length, JSON header, data (INTEROP 2.1). Read with every check
 * of the official library, and stricter (duplicate keys, integers only, depth, names). Written as the
 * official library does: `__metadata__` {"format":"pt"}, dtype descending then name, header padded
 * to 8. Big-endian machines swap.
 * Always: the file is mapped read-only, so its tensors must not be written to; it must not be cut short while it is open
 * (files that we replace are renamed over, which is safe).
 * Fails: the sentence names file and tensor; nothing half-written is ever left behind. */
#ifndef PULSE_TENSOR_STORE_H
#define PULSE_TENSOR_STORE_H

#include "tensor/tensor.h"

typedef struct { const char *name; Tensor tensor; } Entry;

typedef struct {
    Entry *entries;            // ascending by name (by bytes)
    size_t count;
    const char *path;
    void  *mapping;            // the file; tensors point into it (or into the arena when values had to be swapped or aligned)
    size_t mapped;
} Store;

bool store_open(Store *s, const char *path, Arena *a, Error *e);
void store_close(Store *s);
const Tensor *store_find(const Store *s, const char *name);           // NULL: not there
bool store_write(const char *path, const Entry *entries, size_t count, Error *e);   // any order in, canonical order out
/* What a tensor may be called in a file: 1 to 512 bytes, no control characters. */
bool store_name_check(const char *name, const char *path, Error *e);
/* SHA-256 of the lines "<digest_tensor>  <name>\n", ascending by name: what `sha256sum` would print, hashed. */
Digest store_digest(const Store *s);

#endif
