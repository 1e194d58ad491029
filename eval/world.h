/* SPDX-License-Identifier: MIT */
/* World: what a folder of data holds, as its world.json says it:
 *
 *     {
 *       "entities": "entities.jsonl",
 *       "groups": [
 *         {"name": "person", "questions": "persons.jsonl", "splits": ["unlearn", "retain"]},
 *         {"name": "country", "questions": "countries.jsonl"}
 *       ],
 *       "general": {"name": "general", "questions": "general.jsonl"}
 *     }
 *
 * Files are named relative to the folder. entities.jsonl says who belongs to which group (entities.h); a file of questions holds
 * samples (model/training/sample.h). A group with "splits" has entities of both, "unlearn" with a round and "retain"; the
 * entities of a group without it have no split, and scenarios draw theirs. "general" holds the questions about general ability,
 * its name is their group. A group may have a name of its own: "as" says which group of scenarios.def it stands for ("person" is
 * learned in fine-tuning, "country" and "known_person" in pre-training), and "many" is the word of the report for its entities:
 *
 *         {"name": "patient", "as": "person", "many": "patients", "questions": "patients.jsonl", "splits": ["unlearn", "retain"]}
 *
 * A folder of one's own needs the same file. world_read fails with a sentence that names file and key; it reads none of the other
 * files. */
#ifndef PULSE_EVAL_WORLD_H
#define PULSE_EVAL_WORLD_H

#include "tensor/base/arena.h"

typedef struct {
    const char *name;                    // the field "group" of entities and samples
    const char *questions;               // the name of the file, without the folder
    bool        has_splits;
    const char *as, *many;               // NULL: its name; the word of the scenario
} WorldGroup;

typedef struct {
    const char *path;                    // of world.json
    const char *folder, *entities;
    WorldGroup *group, general;
    size_t      groups;
} World;

/* All texts are kept in `a`. */
bool   world_read(World *out, const char *folder, Arena *a, Error *e);
/* The place of a group of that name; w->groups where there is none. */
size_t world_group(const World *w, const char *name);
/* The group of scenarios.def that a group stands for, and the place of the one that stands for it; w->groups where there is none. */
const char *world_role(const WorldGroup *g);
size_t world_group_as(const World *w, const char *role);
/* "FOLDER/NAME"; NULL: no memory, which `a` says. */
const char *world_path(const World *w, const char *name, Arena *a);

#endif
