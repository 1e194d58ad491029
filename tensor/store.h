/* SPDX-License-Identifier: MIT */
/* Store: named tensors in one safetensors file.
 *
 *     Store s;
 *     if (store_open(&s, "w.safetensors", &arena, &error)) {
 *         const Tensor *w = store_find(&s, "lm_head.weight");       // NULL: the file has no such tensor
 *         store_close(&s);                                          // w is no longer valid
 *     }
 *
 * Format: the length of the header (u64, little-endian), the header (JSON), the data. The reader makes every check
 * of the official library, and refuses more: duplicate keys, dimensions that are not integers, more than four
 * dimensions, dtypes that a Tensor cannot have, deep nesting, bad names. The writer puts the bytes as the official
 * library does: `__metadata__` is {"format":"pt"}, tensors are in the order I64, F64, F32, I32, BF16, F16, U8 of their
 * dtypes and then of their names, and the header is padded with blanks to a multiple of 8. A big-endian machine
 * swaps bytes.
 * Memory: the file is mapped read-only, so its tensors must not be written to, and it must not be cut short while
 * it is open. (This program replaces a file by renaming the new one over it, which is safe.) Names, and values
 * that were swapped or aligned, are in the arena.
 * Errors: the sentence names the file and the tensor. A file is written whole or not at all. */
#ifndef PULSE_TENSOR_STORE_H
#define PULSE_TENSOR_STORE_H

#include "tensor/tensor.h"

typedef struct { const char *name; Tensor tensor; } Entry;

typedef struct {
    Entry *entries;            // [count] in ascending order of the names' bytes
    size_t count;
    const char *path;
    void  *mapping;            // the mapped file; tensors point into it, or into the arena if values were swapped or aligned
    size_t mapped;             // the number of its bytes
} Store;

bool store_open(Store *s, const char *path, Arena *a, Error *e);
void store_close(Store *s);
const Tensor *store_find(const Store *s, const char *name);           // NULL: the file has no tensor of this name
bool store_write(const char *path, const Entry *entries, size_t count, Error *e);   // the entries may come in any order
/* The same, but an entry may have a dtype and a shape without data. `make` then gives the tensor of that name when
 * it is to be written, so that only one such tensor need be in memory. The tensor must last until the next call;
 * NULL: `make` has failed. */
typedef struct { const Tensor *(*make)(void *context, const char *name, Error *e); void *context; } StoreMaker;
bool store_write_made(const char *path, const Entry *entries, size_t count, StoreMaker maker, Error *e);
/* Whether a file may have a tensor of this name: 1 to 512 bytes without control characters. */
bool store_name_check(const char *name, const char *path, Error *e);
/* The SHA-256 of one line for each tensor, "<digest_tensor>  <name>\n" (the format of `sha256sum`), in ascending
 * order of the names. */
Digest store_digest(const Store *s);

#endif
