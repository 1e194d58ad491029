/* SPDX-License-Identifier: MIT */
/* Reads the tables and the manifest of a run. */
#include <inttypes.h>
#include <string.h>
#include "eval/csv.h"
#include "ref/report/data.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tensor/base/limits.h"

static const char results_header[] = "scenario,method,trainable,round,split,modality,metric,value,count,total,seed";
static const char trajectory_header[] = "scenario,method,trainable,round,epoch,step,split,modality,metric,value,count,total,seed";

static bool row_read(const Csv *t, ReportRow *x)
{
    int64_t seed;
    const struct { const char *name, **to; } texts[] = {
        { "scenario", &x->scenario }, { "method", &x->method }, { "trainable", &x->trainable },
        { "split", &x->split }, { "modality", &x->modality }, { "metric", &x->metric },
    };
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
        *texts[k].to = csv_text(t, texts[k].name);
        if (!**texts[k].to)
            return error_set(t->error, "%s:%zu: %s is empty, expected a name", t->path, t->line, texts[k].name);
    }
    if (!csv_whole(t, "round", false, &x->round) || !csv_whole(t, "epoch", false, &x->epoch) || !csv_whole(t, "step", false, &x->step)
        || !csv_number(t, "value", &x->value) || !csv_whole(t, "count", true, &x->count) || !csv_whole(t, "total", true, &x->total)
        || !csv_whole(t, "seed", false, &seed))
        return false;
    x->seed = (uint64_t)seed;
    return true;
}

static bool table_read(ReportRows *out, const char *path, const char *header, Arena *a, Error *e)
{
    Csv t;
    if (!csv_open(&t, path, header, a, e) || !(out->row = arena_array(a, t.lines, sizeof *out->row)))
        return false;
    for (out->count = 0; csv_next(&t);)
        if (!row_read(&t, &out->row[out->count++]))
            return false;
    return !e->failed;
}

bool report_rows_read(ReportRows *out, const char *path, Arena *a, Error *e)
{
    return table_read(out, path, results_header, a, e);
}

static const char *text_of(const json_t *o, const char *key, Arena *a)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? arena_text(a, text) : NULL;
}

static bool manifest_read(Report *r, const char *path, Error *e)
{
    json_t *all = json_file(path, LIMIT_RESULTS, e), *first = json_array_get(json_object_get(all, "entries"), 0);
    const char *config = json_string_value(json_object_get(first, "config"));
    if (!all)
        return false;
    r->version = text_of(first, "version", r->arena);
    r->spec = text_of(first, "spec", r->arena);
    json_t *entry;
    size_t k;
    json_array_foreach(json_object_get(all, "entries"), k, entry)
        if (json_object_get(entry, "results"))
            r->chain = text_of(entry, "link", r->arena);
    if (config)
        r->config = digest_bytes(config, strlen(config));
    json_decref(all);
    return true;
}

bool report_read(Report *r, Error *e)
{
    Arena *a = r->arena;
    const char *results = arena_format(a, "%s/results.csv", r->dir),
        *trajectory = arena_format(a, "%s/trajectory.csv", r->dir);
    const char *manifest = arena_format(a, "%s/manifest.json", r->dir);
    return !e->failed && table_read(&r->results, results, results_header, a, e)
        && (!file_exists(trajectory) || table_read(&r->trajectory, trajectory, trajectory_header, a, e))
        && (!file_exists(manifest) || manifest_read(r, manifest, e));
}
