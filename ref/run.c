/* SPDX-License-Identifier: MIT */
/* pulse-ref run runs the PULSE protocol, from a config to its tables. */
#include <stdio.h>
#include <string.h>
#include "eval/manifest.h"
#include "ref/command.h"
#include "ref/cli/options.h"
#include "ref/cli/picture_tags.h"
#include "ref/report/report.h"
#include "ref/run/run.h"
#include "tensor/base/file.h"
#include "tensor/base/team.h"

typedef struct {
    const char *config, *stage, *audit, *workflow, *collect, *memory;
    OptionList set;
} RunOptions;

static void print_plan(const Run *r, bool json)
{
    json_t *list = json_array();
    for (size_t k = 0; k < r->plan.stage_count; k++) {
        const Stage *s = &r->plan.stage[k];
        const char *folder = stage_folder(r, k, (Arena *)&r->arena);
        const bool finished = folder && stage_finished(folder);
        if (json)
            json_add(list, json_pack("{s:s, s:s, s:b}", "stage", s->name, "digest", s->digest.hex, "finished",
                                     finished));
        else
            printf("%s  %-8s  %s\n", s->digest.hex, finished ? "finished" : "", s->name);
    }
    if (json)
        command_print(json_incref(list));
    json_decref(list);
}

/* Writes the wall times. They belong to this machine and this run, so they are part of no digest. */
static bool times_write(const Run *r, const RunTimes *t, int threads, Error *e)
{
    json_t *list = json_array();
    char path[4096];
    snprintf(path, sizeof path, "%s/timing.json", r->out);
    for (size_t k = 0; k < r->plan.stage_count; k++)
        json_add(list, t->seconds[k] < 0 ? json_pack("{s:s, s:s, s:b}", "stage", r->plan.stage[k].name, "digest",
                                                                  r->plan.stage[k].digest.hex, "finished_before", true)
                                                      : json_pack("{s:s, s:s, s:f}", "stage", r->plan.stage[k].name, "digest",
                                                                  r->plan.stage[k].digest.hex, "seconds", t->seconds[k]));
    json_t *all = json_pack("{s:f, s:i, s:o}", "seconds", t->all, "threads", threads, "stages", list);
    bool good = all && json_save(path, all, e);
    json_decref(all);
    return good;
}

/* Reports the first EXIF tag of a picture of the questions, in at most one line. A training stage reports that of its
 * training samples. */
static void pictures_print(const Run *r)
{
    const bool upright = r->settings.data_orientation == ORIENTATION_EXIF;
    bool told = false;
    for (size_t k = 0; k < r->plan.world.groups && !told; k++)
        told = picture_tags_print("run", (const Dataset *[]){ &r->group[k] }, 1, upright);
    if (!told)
        picture_tags_print("run", (const Dataset *[]){ &r->general }, 1, upright);
}

/* Makes the tables and the page of finished stages. `times` NULL: no time was measured. */
static bool collect(Run *r, const RunTimes *times, int threads, Error *e)
{
    RunLock lock;
    const bool good = run_lock_folder(&lock, r, &r->arena, e) && run_collect(r, e)
        && report_write(r->out, settings_path(&r->settings, r->settings.data_world), e) && manifest_add(r->out, "report", "report.html", e)
        && (!times || times_write(r, times, threads, e));
    run_locks_sweep(r);
    run_unlock(&lock);
    return good;
}

static bool whole_run(Run *r, int threads, bool json, int argc, char **argv, Error *e)
{
    RunTimes times = { .all = 0 };
    pictures_print(r);
    bool good = file_make_folder(r->out, e) && run_pool(r, threads, argc, argv, &times, e)
        && collect(r, &times, threads, e);
    if (good && json)
        command_print(json_pack("{s:I, s:I, s:f, s:s}", "cases", (json_int_t)r->plan.case_count, "stages",
                               (json_int_t)r->plan.stage_count, "seconds", times.all, "out", r->out));
    else if (good && !r->quiet)
        printf("%zu cases, %zu stages, %.1f s: %s/results.csv, %s/report.html\n", r->plan.case_count, r->plan.stage_count,
               times.all, r->out, r->out);
    return good;
}

/* Compares the finished run with another one, in the folder `with`. Prints that both are the same, or the first
 * difference. Returns the exit code. */
static int audit(const Run *r, const char *with, bool json, Error *e)
{
    char different[512];
    Arena a = arena_make(e);
    bool same = manifest_check(with, &a, e) && manifest_check(r->out, &a, e)
        && manifest_same(with, r->out, different, &a, e);
    arena_free(&a);
    if (e->failed)
        return EXIT_UNKNOWN;
    if (json)
        command_print(json_pack("{s:s, s:b, s:s}", "audited", with, "same", same, "different", same ? "" : different));
    else
        printf("%s and %s: %s%s\n", with, r->out, same ? "same" : "different: ", same ? "" : different);
    return same ? EXIT_SAME : EXIT_DIFFERENT;
}

/* Writes the Snakemake workflow. --memory reaches every job of it as --set model.memory=…, except where OPTION_REPEATS
 * options --set were given already. No result depends on it. */
static bool workflow(const Run *r, RunOptions *w, bool json, Error *e)
{
    const char *memory = w->memory ? arena_format((Arena *)&r->arena, "model.memory=%s", w->memory) : NULL;
    if (memory && w->set.count < OPTION_REPEATS)
        w->set.item[w->set.count++] = memory;
    if (!run_workflow(r, w->workflow, &w->set, e))
        return false;
    if (json)
        command_print(json_pack("{s:s, s:I}", "workflow", w->workflow, "stages", (json_int_t)r->plan.stage_count));
    else if (!r->quiet)
        printf("%zu stages: %s/Snakefile, %s/README.md\n", r->plan.stage_count, w->workflow, w->workflow);
    return true;
}

int command_run(int argc, char **argv)
{
    RunOptions w = { .config = "fixtures/configs/pulse.ini" };
    bool plan = false;
    Run r = { .out = "out/pulse" };
    char *words[argc + 1];
    const Option own[] = {
        { "out", "DIR", "The results and the stages are written into this folder; the default is out/pulse.",
          .text = &r.out },
        { "set", "SECTION.KEY=VALUE", OPTION_SET, .list = &w.set },
        { "memory", "MIB", OPTION_MEMORY, .text = &w.memory },
        { "resume", NULL, "An interrupted stage goes on from its last checkpoint, instead of from its beginning.", .flag = &r.resume },
        { "plan", NULL, "The stages are printed, and nothing is done.", .flag = &plan },
        { "audit", "DIR", "After the run, its files are compared with those of another run of the same config, which is in DIR. If they "
                          "differ, the first difference is printed, and the exit code is 1.", .text = &w.audit },
        { "stage", "DIGEST", "Only the stage with this digest is done; the stages that it starts from must be finished.",
          .text = &w.stage },
        { "workflow", "DIR", "Nothing is computed. A Snakemake workflow of the run's stages is written into this folder, where "
                             "Snakemake then makes the run.", .text = &w.workflow },
        { "collect", "DIGEST", "Only the tables and the page are made. The stages must be finished, and the plan must have this "
                               "digest, which stands in the workflow.", .text = &w.collect },
    };
    Options o;
    int status;
    memcpy(words, argv, (size_t)argc * sizeof *argv);           // a copy, because options_read moves the operands
    if (!options_read(&o, argc, argv, own, sizeof own / sizeof *own, 0, 1, &status))
        return status;
    if (o.operands)
        w.config = o.operand[0];
    else if (!file_exists(w.config))
        return command_fail_text("run: there is no %s in this folder, expected a CONFIG.ini after run, or a clone of the project "
                                 "as the folder", w.config);
    Error e = { .failed = false };
    r.quiet = o.quiet;
    r.arena = arena_make(&e);
    const char *earlier = w.audit ? arena_format(&r.arena, "%s/manifest.json", w.audit) : NULL;
    bool good = (!earlier || file_exists(earlier) || error_set(&e, "%s: is not there, expected the manifest of the run "
                                                                   "that --audit names", earlier))
        && settings_open(&r.settings, w.config, &w.set, &r.arena, &e)
        && (!w.memory || settings_give(&r.settings, "model.memory", w.memory, &e)) && run_plan(&r, &e)
        && (w.stage || w.collect || run_models(&r, &e));
    if (good && plan)
        print_plan(&r, o.json);
    else if (good && w.workflow)
        good = workflow(&r, &w, o.json, &e);
    else if (good && w.collect)
        good = run_all_finished(&r, w.collect, &e) && collect(&r, NULL, 0, &e);
    else if (good)
        good = w.stage ? run_one(&r, w.stage, &e) : whole_run(&r, (int)team_size(), o.json && !w.audit, argc, words, &e);
    if (good && w.audit && !plan && !w.stage && !w.workflow && !w.collect) {
        status = audit(&r, w.audit, o.json, &e);
        run_close(&r);
        return e.failed ? command_fail(&e) : status;
    }
    run_close(&r);
    return good ? EXIT_SAME : command_fail(&e);
}
