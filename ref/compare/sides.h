/* SPDX-License-Identifier: MIT */
/* Side: all tensors of a safetensors file, or of the files of a folder, in natural order of their names. The names are
 * those of the Hugging Face Hub, so that models of all three public layouts can be compared. */
#ifndef PULSE_REF_COMPARE_SIDES_H
#define PULSE_REF_COMPARE_SIDES_H

#include "tensor/store.h"

typedef struct {
    const char   *name;      // with "FILE/" before it where a folder holds several files that are not shards
    const Tensor *tensor;    // it belongs to one of the files
} Item;

typedef struct {
    Store *files;
    size_t file_count;
    Item  *items;            // [count], in natural order; no two have the same name
    size_t count;
} Side;

/* Opens a file or a folder. The files of a folder with model.safetensors.index.json are the shards of one model.
 * Error: there is no such file, a file is damaged, or two tensors have one name. Call side_close in either case; the
 * names live in the arena. */
bool side_open(Side *s, const char *path, Arena *a, Error *e);
void side_close(Side *s);

/* Compares two names so that "layers.2" comes before "layers.10": runs of digits by their value, all else by bytes.
 * Names that differ only in leading zeros are compared by bytes. Returns a number below, equal to or above 0, as strcmp
 * does. */
int natural_order(const char *x, const char *y);

#endif
