/* SPDX-License-Identifier: MIT */
#include "ref/run/run.h"
#include "tensor/base/file.h"

/* A folder of adapters is merged into the weights; a folder with all weights replaces them. */
static bool apply(Session *x, const char *folder, Error *e)
{
    const char *adapters = arena_format(x->arena, "%s/adapter_config.json", folder);
    if (!adapters)
        return false;
    return file_exists(adapters) ? session_adapter(x, folder, true, e) : session_weights(x, folder, e);
}

/* If the method merges the adapters after each request or keeps them live, the snapshots at the ends of the earlier
 * requests are applied first. */
bool run_snapshot(const Run *r, const Case *c, const RequestEnd *ends, size_t request, int64_t step, Session *x,
                  Arena *a, Error *e)
{
    char name[64];
    const char *start = run_model(r, case_start(c), a), *from = stage_folder(r, c->unlearn, a);
    bool good = start && from && session_open(x, &r->settings, start, MASK_ANSWER, a, e);
    for (size_t k = method_config(&r->plan, c->method)->merge ? 0 : request; good && k <= request; k++) {
        const char *folder = arena_format(a, "%s/%s", from,
                                          snapshot_name((int64_t)k + 1, k < request ? ends[k].last : step, name));
        good = folder && apply(x, folder, e);
    }
    return good;
}
