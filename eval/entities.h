/* SPDX-License-Identifier: MIT */
/* Entities: who a world knows of, one object a line of entities.jsonl:
 *
 *     {"id": "person-07", "group": "person", "name": "…", "image": "portraits/person-07.png", "split": "unlearn", "round": 1, …}
 *
 * id and group are needed; round is the request (1 … K) that an entity to be unlearned belongs to, absent: 0.
 * Always: ids differ; an entity of the split "unlearn" has a round, one of the split "retain" has none.
 * Fails: FILE:LINE and a sentence; a picture that is not there is one of them. */
#ifndef PULSE_EVAL_ENTITIES_H
#define PULSE_EVAL_ENTITIES_H

#include <stdint.h>
#include "tensor/base/arena.h"

typedef struct {
    const char *id, *group, *split;      // split "": none
    int64_t     round;                   // 0: none
    size_t      line;
} Entity;

typedef struct {
    Entity     *entity;                  // in the order of the file
    size_t      count;
    const char *path;
} Entities;

bool entities_read(Entities *out, const char *path, Arena *a, Error *e);

/* Some of them, in a stated order: a split. */
typedef struct {
    const Entity **entity;
    size_t count;
} EntityList;

/* Those of a group, in the order of the file; round < 0: any, 0: those without one, k: those of request k. */
bool entities_choose(EntityList *out, const Entities *all, const char *group, int64_t round, Arena *a);
bool entity_list_has(const EntityList *l, const char *id);

#endif
