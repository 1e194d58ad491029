/* SPDX-License-Identifier: MIT */
/* Store: named tensors in one safetensors file, mapped when read, written whole or not at all.
 *
 * Format: u64 little-endian header length, JSON header, data (INTEROP 2.1). Read with every check
 * of the official library, and stricter (duplicate keys, integers only, depth). Written as the
 * official library does: `__metadata__` {"format":"pt"}, dtype descending then name, header padded
 * to 8. Big-endian machines swap.
 * Fails: the sentence names file and tensor; nothing half-written is ever left behind. */
#ifndef PULSE_TENSOR_STORE_H
#define PULSE_TENSOR_STORE_H

#include "tensor/hash.h"

typedef struct { const char *name; Tensor tensor; } Entry;

typedef struct {
    Entry *entries;            // ascending by name
    size_t count;
    const char *path;
    void  *mapping;            // the file; tensors point into it (or into the arena when values had to be swapped or aligned)
    size_t mapped;
} Store;

bool store_open(Store *s, const char *path, Arena *a, Error *e);
void store_close(Store *s);
const Tensor *store_find(const Store *s, const char *name);           // NULL: not there
bool store_write(const char *path, const Entry *entries, size_t count, Error *e);   // any order in, canonical order out
Digest store_digest(const Store *s);                                  // SHA-256 of the sorted list of tensor digests

#endif
