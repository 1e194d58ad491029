/* SPDX-License-Identifier: MIT */
/* NameMap: a hash table from names to their indices in a list of at most `capacity` names. The indices follow the order
 * of insertion, and not the hash. */
#ifndef PULSE_MODEL_TRAINING_NAME_MAP_H
#define PULSE_MODEL_TRAINING_NAME_MAP_H

#include <stdint.h>
#include "tensor/base/arena.h"

typedef struct NameMap {
    const char **name;         // [capacity], by index; the map does not own the texts
    size_t       count, capacity;
    size_t       mask;         // the number of slots - 1; the number of slots is a power of two
    int32_t     *slot;         // [mask + 1], the index of the name; -1: empty
} NameMap;

/* An empty map. False: no memory in `a`. */
bool    name_map_make(NameMap *m, size_t capacity, Arena *a);
/* The index of the name; -1: it is not in the map. */
int32_t name_map_find(const NameMap *m, const char *name);
/* Adds a name and returns its index. The name must be new, must outlive the map, and there must be room for it. */
int32_t name_map_add(NameMap *m, const char *name);

#endif
