/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700                   // nftw
#include "ref/run/audit.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "eval/manifest.h"
#include "ref/report/report.h"
#include "tensor/base/file.h"

enum { FOLDERS_OPEN = 16 };

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

/* Links are removed, not what they point to. */
static void folder_remove(const char *path)
{
    nftw(path, remove_one, FOLDERS_OPEN, FTW_DEPTH | FTW_PHYS);
}

/* Makes FOLDER/stages/<digest> a link to the published stage. */
static bool publish(const Audit *x, size_t stage, const char *folder, Arena *a, Error *e)
{
    char real[PATH_MAX];
    const char *from = stage_folder(x->run, stage, a), *to = arena_format(a, "%s/stages/%s", folder, x->run->plan.stage[stage].digest.hex);
    if (!from || !to || !file_make_folder(arena_format(a, "%s/stages", folder), e))
        return false;
    if (!realpath(from, real) || (symlink(real, to) != 0 && errno != EEXIST))
        return error_io(e, "%s: cannot be linked to %s: %s", to, from, strerror(errno));
    return true;
}

bool audit_begin(Audit *x, uint64_t seed, Error *e)
{
    Run *r = x->run;
    Arena *a = &r->arena;
    const size_t stages = r->plan.stage_count;
    const char *made[] = { "stages", "tables" };
    for (int k = 0; k < 2; k++) {
        const char *path = arena_format(a, "%s/%s", x->out, made[k]);
        if (!path || file_exists(path))
            return error_set(e, "%s: is there already, expected a folder --out without the replays of another audit", path ? path : "");
    }
    if (!manifest_check(r->out, a, e) || !manifest_of_plan(&r->plan, r->out, settings_text(&r->settings, a), a, e)
        || !(x->chain = manifest_chain(r->out, a, e)) || !(x->unit = arena_zalloc(a, stages * sizeof *x->unit)))
        return false;
    for (size_t k = 0; k < stages; k++)
        x->unit[x->units++] = (AuditUnit){ .stage = k, .name = r->plan.stage[k].name };
    if (x->sampled > x->units)
        return error_set(e, "--sample is %zu, but the run has %zu units to be computed again", x->sampled, x->units);
    return (x->sample = audit_sample(x->chain, seed, x->units, x->sampled, a)) != NULL;
}

bool audit_tables(Audit *x, Error *e)
{
    Run again = *x->run;
    Arena *a = &x->run->arena;
    char *different = arena_zalloc(a, 512);
    again.out = arena_format(a, "%s/tables", x->out);
    for (size_t k = 0; again.out && k < again.plan.stage_count; k++)
        if (!publish(x, k, again.out, a, e))
            return false;
    if (!different || !again.out || !run_collect(&again, e)
        || !report_write(again.out, settings_path(&again.settings, again.settings.data_world), e)
        || !manifest_add(again.out, "report", "report.html", e))
        return false;
    if (!manifest_same(x->run->out, again.out, different, a, e))
        x->tables = different;
    return !e->failed;
}

bool audit_replay(Audit *x, size_t index, Error *e)
{
    AuditUnit *u = &x->unit[x->sample[index]];
    Run again = *x->run;
    Arena *a = &x->run->arena;
    const Stage *s = &again.plan.stage[u->stage];
    char *different = arena_zalloc(a, 512);
    again.out = x->out;
    again.resume = false;
    for (size_t i = 0; i < s->inputs; i++)
        if (!publish(x, s->input[i], x->out, a, e))
            return false;
    const char *folder = stage_folder(&again, u->stage, a);
    if (!different || !folder)
        return false;
    if (file_exists(folder) && unlink(folder) != 0)                        // a link, where it was the input of an earlier one
        return error_io(e, "%s: cannot be removed: %s", folder, strerror(errno));
    if (!run_stage(&again, u->stage, e))
        return error_prefix(e, "the stage %s could not be computed again", s->name);
    if (!manifest_stage_same(x->run->out, u->stage, folder, different, a, e)) {
        if (e->failed)
            return false;
        u->different = different;
        x->different++;
        const char *kept = arena_format(a, "%s/different-%.16s", x->out, s->digest.hex);
        return (kept && rename(folder, kept) == 0) || error_io(e, "%s: cannot be renamed: %s", folder, strerror(errno));
    }
    folder_remove(folder);
    return true;
}

void audit_end(Audit *x)
{
    Error e = { 0 };
    Arena a = arena_make(&e);
    const char *stages = arena_format(&a, "%s/stages", x->out), *tables = arena_format(&a, "%s/tables", x->out);
    if (stages)
        folder_remove(stages);
    if (tables && !x->tables)
        folder_remove(tables);
    remove(x->out);                                                         // where it is empty
    arena_free(&a);
}
