/* SPDX-License-Identifier: MIT */
/* The weights that an unlearn stage had after some step, from its snapshots. */
#include "ref/run/run.h"
#include "tensor/base/file.h"

/* Adapters are merged into `w`; a folder with all weights replaces it. */
static bool apply(Weights *w, const ModelConfig *c, const char *folder, Arena *a, Error *e)
{
    Lora l;
    const char *adapters = arena_format(a, "%s/adapter_config.json", folder);
    if (!adapters)
        return false;
    if (file_exists(adapters))
        return lora_load(&l, w, folder, a, e) && lora_merge(&l, w, e);
    weights_close(w);
    return weights_load(w, folder, c, a, e);
}

/* Where adapters were merged between requests, the ends of those before come first. */
bool run_snapshot(const Run *r, const Case *c, const RequestEnd *ends, size_t request, int64_t step, Weights *w, ModelConfig *config, Arena *a, Error *e)
{
    char name[64];
    const char *start = run_model(r, c->scenario->start, a), *from = stage_folder(r, c->unlearn, a);
    bool good = start && from && config_load(config, start, e) && weights_load(w, start, config, a, e);
    for (size_t k = method_config(&r->plan, c->method)->merge ? 0 : request; good && k <= request; k++) {
        const char *folder = arena_format(a, "%s/%s", from, snapshot_name((int64_t)k + 1, k < request ? ends[k].last : step, name));
        good = folder && apply(w, config, folder, a, e);
    }
    return good;
}
