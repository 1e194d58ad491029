/* SPDX-License-Identifier: MIT */
/* Router: a table that says which adapter answers which question, a JSON file.
 *
 *     { "adapters": [ { "folder": "adapter-1", "entities": ["person-01"], "questions": ["q7"] }, … ] }
 *
 * The adapter that lists a question's id answers it, else the adapter that lists its entity, else none: the model alone. `unlearn` writes
 * such a file beside the adapters that stay apart (unlearn.merge = no), by the entities of each request: a router that is never wrong.
 * The decisions of another router are written down as ids. A folder is relative to that of the file; "entities" and "questions" may be
 * missing. Fails: an unknown key, a wrong type, an entity or an id that two adapters list: a sentence with the file and the entry. */
#ifndef PULSE_REF_CONFIG_ROUTER_H
#define PULSE_REF_CONFIG_ROUTER_H

#include "model/training/sample.h"
#include "ref/config/request.h"

typedef struct {
    const char *name, *folder;           // as the file says it; as it can be opened
    const char **entity, **question;     // [entities], [questions]
    size_t entities, questions;
} Route;

typedef struct {
    Route *route;
    size_t count;
} Router;

bool router_read(Router *r, const char *path, Arena *a, Error *e);
/* The place of the adapter that answers a question; r->count: none does. */
size_t router_choose(const Router *r, const Sample *question);
/* Writes OUT/router.json for the adapters in OUT/adapter-1 … of the rounds of a request. Samples without an entity are
 * listed by their ids. */
bool router_write(const Request *q, const char *out, Error *e);

#endif
