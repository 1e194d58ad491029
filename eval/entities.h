/* SPDX-License-Identifier: MIT */
/* Entities: the persons and countries of a world, one JSON object on each line of a file that world.json names:
 *
 *     {"id": "person-07", "group": "person", "name": "…", "image": "portraits/person-07.png", "split": "unlearn", "round": 1, …}
 *
 * "id" and "group" are needed. "round" is the request, 1 … K, that an entity to be forgotten belongs to. An entity of
 * the split "unlearn" has a round, and no other entity has one. "level" may say how many training samples taught each of its facts in
 * each modality, its exposure. Ids differ. Other keys are not read.
 * Errors begin with FILE:LINE; an image that is not there is one of them. Everything lives in the arena, and is only
 * read afterwards. */
#ifndef PULSE_EVAL_ENTITIES_H
#define PULSE_EVAL_ENTITIES_H

#include <stdint.h>
#include "tensor/base/arena.h"

typedef struct {
    const char *id, *group, *split;      // split "": it has none
    int64_t     round;                   // 0: it has none
    int64_t     exposure;                // -1: the file does not say
    // open training questions about it; 0 until the questions were read (ref/run/plan.c)
    int64_t     questions;
    size_t      line;
} Entity;

typedef struct {
    Entity     *entity;                  // in the order of the file
    size_t      count;
    const char *path;
} Entities;

bool entities_read(Entities *out, const char *path, Arena *a, Error *e);

/* Some of the entities, in a stated order: a split. They point into the Entities, which must outlive the list. */
typedef struct {
    const Entity **entity;
    size_t count;
} EntityList;

/* The entities of a group, in the order of the file. round < 0: all of them; 0: those without a round; k: those of
 * request k. False: no memory, which `a` says. */
bool entities_choose(EntityList *out, const Entities *all, const char *group, int64_t round, Arena *a);
bool entity_list_has(const EntityList *l, const char *id);
/* How many open training questions there are about all of them. */
int64_t entity_list_questions(const EntityList *l);

#endif
