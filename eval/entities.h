/* SPDX-License-Identifier: MIT */
/* Entities: the persons and countries of a world, one JSON object on each line of a file that world.json names:
 *
 *     {"id": "person-07", "group": "person", "image": "portraits/person-07.png", "split": "unlearn", "round": 1, …}
 *
 * - "id" and "group" are needed. All ids differ.
 * - "image" names the entity's picture, relative to the folder of the file. The file of the picture must exist.
 * - "round" is the number of the request, from 1 on, that an entity to be forgotten belongs to. The entities of the
 *   split "unlearn", and only these, have a round.
 * - "level" may state the exposure of an entity: how many training samples taught each of its facts in each modality.
 * - Other keys are not read.
 *
 * Errors begin with FILE:LINE. Everything lives in the arena and, except for Entity.questions, never changes. */
#ifndef PULSE_EVAL_ENTITIES_H
#define PULSE_EVAL_ENTITIES_H

#include <stdint.h>
#include "tensor/base/arena.h"

typedef struct {
    const char *id, *group, *split;      // split "": it has none
    int64_t     round;                   // 0: it has none
    int64_t     exposure;                // -1: the file does not say
    int64_t     questions;               // open training questions about it; ref/run/plan.c counts them, before that 0
    size_t      line;
} Entity;

typedef struct {
    Entity     *entity;                  // in the order of the file
    size_t      count;
    const char *path;
} Entities;

bool entities_read(Entities *out, const char *path, Arena *a, Error *e);

/* Some of the entities, for example those to be forgotten; their order matters. The list points into the Entities,
 * which must outlive it. */
typedef struct {
    const Entity **entity;
    size_t count;
} EntityList;

/* The entities of a group, in the order of the file. round < 0: all of them; 0: those without a round; k: those of
 * request k. False: no memory, which `a` says. */
bool entities_choose(EntityList *out, const Entities *all, const char *group, int64_t round, Arena *a);
bool entity_list_has(const EntityList *l, const char *id);
/* How many open training questions there are about the entities of the list, together. */
int64_t entity_list_questions(const EntityList *l);

#endif
