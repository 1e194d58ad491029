/* SPDX-License-Identifier: MIT */
#include "model/training/name_map.h"

#include <string.h>

static size_t name_hash(const char *s)
{
    uint64_t h = 0xcbf29ce484222325u;                                   // FNV-1a
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    return (size_t)(h ^ h >> 32);
}

bool name_map_make(NameMap *m, size_t capacity, Arena *a)
{
    size_t slots = 16;
    while (slots < 2 * capacity)
        slots *= 2;
    *m = (NameMap){ arena_array(a, capacity + 1, sizeof *m->name), 0, capacity, slots - 1,
                    arena_array(a, slots, sizeof *m->slot) };
    if (m->slot)
        memset(m->slot, -1, slots * sizeof *m->slot);
    return m->name && m->slot;
}

int32_t name_map_find(const NameMap *m, const char *name)
{
    for (size_t i = name_hash(name) & m->mask; m->slot[i] >= 0; i = (i + 1) & m->mask)
        if (!strcmp(m->name[m->slot[i]], name))
            return m->slot[i];
    return -1;
}

int32_t name_map_add(NameMap *m, const char *name)
{
    size_t i = name_hash(name) & m->mask;
    while (m->slot[i] >= 0)
        i = (i + 1) & m->mask;
    m->name[m->count] = name;
    return m->slot[i] = (int32_t)m->count++;
}
