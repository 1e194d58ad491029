/* SPDX-License-Identifier: MIT */
/* Router: a JSON file that says which adapter answers which question.
 *
 *     { "adapters": [ { "folder": "adapter-1", "entities": ["person-01"], "questions": ["q7"] }, … ] }
 *
 * A question is answered by the adapter that lists its id, else by the adapter that lists its entity, else by the
 * model without an adapter. For a method with an adapter for each request (`adapters`), `unlearn` writes such a file
 * where unlearn.merge = no. That file lists the entities of each request, so it is a router that is never wrong. The
 * decisions of a router that may err are written as ids of questions. The path of a folder is absolute, or relative to
 * the folder of the file. "entities" and "questions" may be missing. Error, with the file and the entry: an unknown
 * key, a wrong type, or an entity or id that two adapters list. */
#ifndef PULSE_REF_CONFIG_ROUTER_H
#define PULSE_REF_CONFIG_ROUTER_H

#include "model/training/sample.h"
#include "ref/config/request.h"

typedef struct {
    const char *name, *folder;           // the path of the adapter, as the file has it, and as it can be opened
    const char **entity, **question;     // [entities], [questions]
    size_t entities, questions;
} Route;

typedef struct {
    Route *route;
    size_t count;
} Router;

bool router_read(Router *r, const char *path, Arena *a, Error *e);
/* The index in r->route of the adapter that answers a question; r->count: the model without an adapter answers. */
size_t router_choose(const Router *r, const Sample *question);
/* Writes OUT/router.json for the adapters in OUT/adapter-1 … of the rounds of a request. Samples without an entity are
 * listed by their ids. */
bool router_write(const Request *q, const char *out, Error *e);

#endif
