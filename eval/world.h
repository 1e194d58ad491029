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
 * Files are named relative to the folder. entities.jsonl says who belongs to which group (entities.h). A file of
 * questions holds samples (model/training/sample.h).
 * - "splits": every entity of the group is in the split "unlearn" (and has a round) or in the split "retain". The
 *   entities of a group without this key have no split, so scenarios draw their own.
 * - "general": the questions about general ability. Their field "group" is the name given here.
 * - "as": a group may have any name. This key says which group of scenarios.def it stands for: "person" is learned in
 *   fine-tuning, "country" and "known_person" in pre-training.
 * - "many": the word for the entities of a group in the report.
 *
 *         {"name": "patient", "as": "person", "many": "patients", "questions": "patients.jsonl",
 *          "splits": ["unlearn", "retain"]}
 *
 * A folder with your own data needs a world.json, too. world_read reads no other file; its errors name file and key. */
#ifndef PULSE_EVAL_WORLD_H
#define PULSE_EVAL_WORLD_H

#include "tensor/base/arena.h"

typedef struct {
    const char *name;                    // the field "group" of entities and samples
    const char *questions;               // the name of the file, without the folder
    bool        has_splits;
    const char *as;                      // the group of scenarios.def that it stands for; NULL: that of the same name
    const char *many;                    // the word for its entities in the report; NULL: that of the scenario
} WorldGroup;

typedef struct {
    const char *path;                    // of world.json
    const char *folder, *entities;
    WorldGroup *group, general;
    size_t      groups;
} World;

/* All texts are kept in `a`. */
bool   world_read(World *out, const char *folder, Arena *a, Error *e);
/* The index of the group of that name in w->group; w->groups where there is none. */
size_t world_group(const World *w, const char *name);
/* The group of scenarios.def that a group stands for: its role. */
const char *world_role(const WorldGroup *g);
/* The index of the group that has this role; w->groups where none has. */
size_t world_group_as(const World *w, const char *role);
/* "FOLDER/NAME"; NULL: no memory, which `a` says. */
const char *world_path(const World *w, const char *name, Arena *a);

#endif
