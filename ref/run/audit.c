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

enum { FOLDERS_OPEN = 16 };                 // how many folders nftw may hold open at once

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

/* Removes a folder and all that is in it. A link in it is removed, but not what the link points to. */
static void folder_remove(const char *path)
{
    nftw(path, remove_one, FOLDERS_OPEN, FTW_DEPTH | FTW_PHYS);
}

/* Makes FOLDER/stages/<digest> a link to the published stage. */
static bool link_published(const Audit *x, size_t stage, const char *folder, Arena *a, Error *e)
{
    char real[PATH_MAX];
    const char *from = stage_folder(x->run, stage, a), *to = arena_format(a, "%s/stages/%s", folder, x->run->plan.stage[stage].digest.hex);
    if (!from || !to || !file_make_folder(arena_format(a, "%s/stages", folder), e))
        return false;
    if (!realpath(from, real) || (symlink(real, to) != 0 && errno != EEXIST))
        return error_io(e, "%s: cannot be linked to %s: %s", to, from, strerror(errno));
    return true;
}

static AuditUnit unit(const Stage *s, size_t stage, Point from, Point to, Arena *a)
{
    const char *begin = from.step ? point_name(from, a) : "its beginning", *end = to.step ? point_name(to, a) : "its end";
    const bool whole = !from.step && !to.step;
    return (AuditUnit){ stage, from, to, whole ? s->name : arena_format(a, "%s, %s to %s", s->name, begin, end), NULL };
}

/* Lists the units: every stage as a whole or, if it kept checkpoints, its intervals. */
static bool units_make(Audit *x, Arena *a)
{
    const Plan *p = &x->run->plan;
    size_t all = p->stage_count;
    for (size_t k = 0; k < p->stage_count; k++)
        all += json_object_size(json_array_get(x->outputs, k));
    x->unit = arena_array(a, all, sizeof *x->unit);
    for (size_t k = 0; x->unit && k < p->stage_count; k++) {
        size_t count;
        const Point *cut = interval_points(json_array_get(x->outputs, k), &count, a);
        Point from = { 0, 0 };
        for (size_t i = 0; cut && i <= count; i++) {
            const Point to = i < count ? cut[i] : (Point){ 0, 0 };
            x->unit[x->units++] = unit(&p->stage[k], k, from, to, a);
            from = to;
        }
    }
    return x->unit && !a->error->failed;
}

bool audit_begin(Audit *x, uint64_t seed, Error *e)
{
    Run *r = x->run;
    Arena *a = &r->arena;
    const char *made[] = { "stages", "tables" };
    for (int k = 0; k < 2; k++) {
        const char *path = arena_format(a, "%s/%s", x->out, made[k]);
        if (!path || file_exists(path))
            return error_set(e, "%s: is there already, expected a folder --out without stages/ and tables/", path ? path : "");
    }
    const bool good = manifest_check(r->out, a, e) && manifest_of_plan(&r->plan, r->out, settings_text(&r->settings, a), a, e)
        && (x->chain = manifest_chain(r->out, a, e)) && (x->outputs = manifest_outputs(r->out, a, e)) && units_make(x, a)
        && (x->sampled <= x->units
            || error_set(e, "--sample is %zu, expected at most %zu, the number of units of the run", x->sampled, x->units))
        && (x->sample = audit_sample(x->chain, seed, x->units, x->sampled, a));
    if (!good)
        json_decref(x->outputs);
    return good;
}

bool audit_tables(Audit *x, Error *e)
{
    Run again = *x->run;
    Arena *a = &x->run->arena;
    char *different = arena_zalloc(a, 512);
    again.out = arena_format(a, "%s/tables", x->out);
    for (size_t k = 0; again.out && k < again.plan.stage_count; k++)
        if (!link_published(x, k, again.out, a, e))
            return false;
    if (!different || !again.out || !run_collect(&again, e)
        || !report_write(again.out, settings_path(&again.settings, again.settings.data_world), e)
        || !manifest_add(again.out, "report", "report.html", e))
        return false;
    if (!manifest_same(x->run->out, again.out, different, a, e))
        x->tables = different;
    return !e->failed;
}

/* Computes the unit again in the stage's folder below x->out. */
static bool unit_run(Audit *x, const AuditUnit *u, const char *folder, Arena *a, Error *e)
{
    Run again = *x->run;
    const Stage *s = &again.plan.stage[u->stage];
    again.out = x->out;
    again.resume = u->from.step != 0;
    again.until = u->to;
    for (size_t i = 0; i < s->inputs; i++)
        if (!link_published(x, s->input[i], x->out, a, e))
            return false;
    // if this stage was the input of an earlier unit, `folder` is a link to the published stage
    if (file_exists(folder) && unlink(folder) != 0)
        return error_io(e, "%s: cannot be removed: %s", folder, strerror(errno));
    const char *published = stage_folder(x->run, u->stage, a);
    return published
        && (!again.resume
            || interval_begin(json_array_get(x->outputs, u->stage), published, folder, u->from, u->to, a, e))
        && (run_stage(&again, u->stage, e) || error_prefix(e, "%s could not be computed again", u->name));
}

/* Whether the replay of the unit wrote the same files as are published. A unit that reaches the end of its stage is
 * compared by the stage.json that it wrote, which lists all files of the stage. */
static bool unit_same(const Audit *x, const AuditUnit *u, const char *folder, char different[512], Arena *a, Error *e)
{
    return u->to.step ? interval_same(json_array_get(x->outputs, u->stage), folder, u->from, u->to, different, a, e)
                      : manifest_stage_same(x->run->out, u->stage, folder, different, a, e);
}

bool audit_replay(Audit *x, size_t index, Error *e)
{
    AuditUnit *u = &x->unit[x->sample[index]];
    Arena *a = &x->run->arena;
    char *different = arena_zalloc(a, 512);
    const char *digest = x->run->plan.stage[u->stage].digest.hex;
    const char *folder = arena_format(a, "%s/stages/%s", x->out, digest);
    if (!different || !folder || !unit_run(x, u, folder, a, e))
        return false;
    if (unit_same(x, u, folder, different, a, e)) {
        folder_remove(folder);
        return true;
    }
    if (e->failed)
        return false;
    u->different = different;
    x->different++;
    const char *to = u->to.step ? point_name(u->to, a) : "its-end";
    const char *kept = u->to.step || u->from.step ? arena_format(a, "%s/different-%.16s-%s", x->out, digest, to)
                                                  : arena_format(a, "%s/different-%.16s", x->out, digest);
    return (kept && rename(folder, kept) == 0) || error_io(e, "%s: cannot be renamed: %s", folder, strerror(errno));
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
    remove(x->out);                                                         // succeeds only if the folder is empty
    json_decref(x->outputs);
    arena_free(&a);
}
