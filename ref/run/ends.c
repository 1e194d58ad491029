/* SPDX-License-Identifier: MIT */
/* How the requests of an unlearn stage ended: the file steps.json. The unlearn stage writes it at its end. The answer
 * and probe stages, which put questions to the snapshots of the unlearn stage, read it, and so does collect.c. */
#include <string.h>
#include "ref/run/run.h"
#include "tensor/base/json.h"
#include "tensor/base/limits.h"

bool ends_write(const char *folder, const RequestEnd *end, size_t count, Error *e)
{
    char path[4096];
    json_t *list = json_array();
    for (size_t k = 0; k < count; k++)
        json_add(list, json_pack("{s:I, s:I, s:s}", "steps", (json_int_t)end[k].steps, "last",
                                              (json_int_t)end[k].last, "why", end[k].why));
    json_t *all = json_pack("{s:o}", "requests", list);
    snprintf(path, sizeof path, "%s/steps.json", folder);
    bool good = all && json_save(path, all, e);
    json_decref(all);
    return good;
}

RequestEnd *run_ends(const Run *r, size_t stage, size_t requests, Arena *a, Error *e)
{
    const char *path = arena_format(a, "%s/steps.json", stage_folder(r, stage, a));
    json_t *all = path ? json_file(path, LIMIT_STEPS, e) : NULL, *list = json_object_get(all, "requests");
    RequestEnd *out = all ? arena_array(a, requests, sizeof *out) : NULL;
    if (out && json_array_size(list) != requests) {
        error_set(e, "%s:1: \"requests\" has %zu entries, expected %zu", path, json_array_size(list), requests);
        out = NULL;
    }
    for (size_t k = 0; out && k < requests; k++) {
        const json_t *x = json_array_get(list, k), *steps = json_object_get(x, "steps"),
            *last = json_object_get(x, "last");
        const char *why = json_string_value(json_object_get(x, "why"));
        if (!json_is_integer(steps) || !json_is_integer(last) || !why || json_integer_value(last) < 1) {
            error_set(e, "%s:1: request %zu must have \"steps\", \"last\" and \"why\"", path, k + 1);
            out = NULL;
            break;
        }
        out[k] = (RequestEnd){ json_integer_value(steps), json_integer_value(last), arena_text(a, why) };
    }
    json_decref(all);
    return out;
}
