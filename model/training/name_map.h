/* SPDX-License-Identifier: MIT */
/* NameMap: a hash table from names to their places in a list of at most `room` names. Its answers do not depend on the order of
 * the hash. */
#ifndef PULSE_MODEL_TRAINING_NAME_MAP_H
#define PULSE_MODEL_TRAINING_NAME_MAP_H

#include <stdint.h>
#include "tensor/base/arena.h"

typedef struct NameMap {
    const char **name;         // [room], by place; the map does not own the texts
    size_t       count, room;
    size_t       mask;         // of the slots, whose number is a power of two
    int32_t     *slot;         // place of the name, -1: empty
} NameMap;

/* An empty map. False: no memory in `a`. */
bool    name_map_make(NameMap *m, size_t room, Arena *a);
/* The place of the name, or -1. */
int32_t name_map_find(const NameMap *m, const char *name);
/* Adds a name and returns its place. The name must be new, must outlive the map, and there must be room for it. */
int32_t name_map_add(NameMap *m, const char *name);

#endif
