/* SPDX-License-Identifier: MIT */
/* Runs one stage alone. Each process of the pool does this, and each job of a workflow engine. The job that collects
 * the results asks run_all_finished first. */
#include <string.h>
#include "eval/manifest.h"
#include "ref/run/run.h"

/* Checks that a stage is finished and that its files are still those that it made. */
static bool finished(Run *r, size_t stage, const char *needed_by, Error *e)
{
    const char *folder = stage_folder(r, stage, &r->arena);
    if (!folder || !stage_finished(folder))
        return error_set(e, "run: %s needs the stage %s first, but there is no %s/stage.json", needed_by, r->plan.stage[stage].name,
                         folder ? folder : "");
    return stage_nothing_foreign(r, stage, e) && stage_check(&r->plan, stage, folder, e);
}

/* Runs the stage, whose lock the caller holds. Another process may have finished it while this
 * one waited for the lock. */
static bool run_locked(Run *r, size_t stage, Error *e)
{
    const char *folder = stage_folder(r, stage, &r->arena);
    if (!folder || !stage_nothing_foreign(r, stage, e))
        return false;
    return stage_finished(folder) ? stage_check(&r->plan, stage, folder, e) : run_stage(r, stage, e);
}

bool run_one(Run *r, const char *digest, Error *e)
{
    const Plan *p = &r->plan;
    size_t k = 0;
    while (k < p->stage_count && strcmp(p->stage[k].digest.hex, digest) != 0)
        k++;
    if (k == p->stage_count)
        return error_set(e, "run: there is no stage %.64s in the plan of %s, expected one of those in --plan; a workflow holds for one "
                            "config, the data and models that it names, and one version of the program", digest, r->settings.file);
    for (size_t i = 0; i < p->stage[k].inputs; i++)
        if (!finished(r, p->stage[k].input[i], arena_format(&r->arena, "the stage %s", p->stage[k].name), e))
            return false;
    RunLock lock;
    const bool good = run_lock_stage(&lock, r, k, &r->arena, e) && run_locked(r, k, e);
    run_unlock(&lock);
    return good;
}

Digest run_plan_digest(const Run *r, Arena *a)
{
    Hash h = hash_begin();
    const char *text = settings_text(&r->settings, a);
    hash_text(&h, text ? text : "");
    for (size_t k = 0; k < r->plan.stage_count; k++)
        hash_text(&h, r->plan.stage[k].digest.hex);
    return hash_end(&h);
}

bool run_all_finished(Run *r, const char *digest, Error *e)
{
    if (strcmp(run_plan_digest(r, &r->arena).hex, digest) != 0)
        return error_set(e, "run: the plan of %s is not %.64s, expected the config and the version of the program that the workflow was "
                            "written by", r->settings.file, digest);
    for (size_t k = 0; k < r->plan.stage_count; k++)
        if (!finished(r, k, "collecting", e))
            return false;
    return !e->failed;
}
