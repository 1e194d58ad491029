/* SPDX-License-Identifier: MIT */
/* Reads the tables of a run. Fields are separated by commas and never quoted: the names of a run hold neither commas
 * nor quotation marks. */
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include "ref/report/data.h"
#include "tensor/base/decimal.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tensor/base/limits.h"

enum { FIELDS_MAX = 13 };
#define VALUE_MOST 1e300              // percentages and means of values stay finite

static const char results_header[] = "scenario,method,trainable,round,split,modality,metric,value,count,total,seed";
static const char trajectory_header[] = "scenario,method,trainable,round,epoch,step,split,modality,metric,value,count,total,seed";

typedef struct {
    const char *path, *header;
    size_t line, fields;
    char *field[FIELDS_MAX];
    Error *error;
} Table;

/* The field below the column `name` of the header; NULL: the table has no such column. */
static const char *field(const Table *t, const char *name)
{
    size_t n = strlen(name), column = 0;
    for (const char *at = t->header;; column++) {
        size_t length = strcspn(at, ",");
        if (length == n && memcmp(at, name, n) == 0)
            return t->field[column];
        if (at[length] == 0)
            return NULL;
        at += length + 1;
    }
}

static bool whole(const Table *t, const char *name, bool may_be_empty, int64_t *out)
{
    const char *text = field(t, name);
    *out = 0;
    if (!text || (may_be_empty && !*text))
        return true;
    return (decimal_to_int(text, out) && *out >= 0)
        || error_set(t->error, "%s:%zu: %s is \"%.40s\", expected a whole number, 0 or more", t->path, t->line, name, text);
}

static bool number(const Table *t, double *out)
{
    static const char *const nothing[] = { "", "NaN", "nan", "-nan", "inf", "-inf" };
    const char *text = field(t, "value");
    *out = NAN;
    for (size_t k = 0; k < sizeof nothing / sizeof *nothing; k++)
        if (strcmp(text, nothing[k]) == 0)
            return true;
    return (decimal_to_double(text, out) && fabs(*out) <= VALUE_MOST)
        || error_set(t->error, "%s:%zu: value is \"%.40s\", expected a number, at most 1e300", t->path, t->line, text);
}

static bool row_read(const Table *t, ReportRow *x)
{
    int64_t seed;
    const struct { const char *name, **to; } texts[] = {
        { "scenario", &x->scenario }, { "method", &x->method }, { "trainable", &x->trainable },
        { "split", &x->split }, { "modality", &x->modality }, { "metric", &x->metric },
    };
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
        *texts[k].to = field(t, texts[k].name);
        if (!**texts[k].to)
            return error_set(t->error, "%s:%zu: %s is empty, expected a name", t->path, t->line, texts[k].name);
    }
    if (!whole(t, "round", false, &x->round) || !whole(t, "epoch", false, &x->epoch) || !whole(t, "step", false, &x->step)
        || !number(t, &x->value) || !whole(t, "count", true, &x->count) || !whole(t, "total", true, &x->total)
        || !whole(t, "seed", false, &seed))
        return false;
    x->seed = (uint64_t)seed;
    return true;
}

static bool cut(Table *t, char *line)
{
    size_t n = 0;
    for (char *at = line; at; n++) {
        char *comma = strchr(at, ',');
        if (comma)
            *comma++ = 0;
        if (strlen(at) > LIMIT_RESULT_FIELD)
            return error_set(t->error, "%s:%zu: field %zu has %zu bytes, expected at most %d", t->path, t->line, n + 1,
                             strlen(at), LIMIT_RESULT_FIELD);
        if (n < FIELDS_MAX)
            t->field[n] = at;
        at = comma;
    }
    return n == t->fields || error_set(t->error, "%s:%zu: %zu fields, expected %zu", t->path, t->line, n, t->fields);
}

static char *next_line(char **at)
{
    char *line = *at, *end = strchr(line, '\n');
    if (!*line)
        return NULL;
    *at = end ? end + 1 : line + strlen(line);
    if (end)
        *end = 0;
    size_t n = strlen(line);
    if (n && line[n - 1] == '\r')
        line[n - 1] = 0;
    return line;
}

static bool table_read(ReportRows *out, const char *path, const char *header, Arena *a, Error *e)
{
    Table t = { .path = path, .header = header, .line = 1, .fields = 1, .error = e };
    size_t size, lines = 1;
    char *at = file_text(path, LIMIT_RESULTS, &size, a, e), *line;
    if (!at)
        return false;
    if (strlen(at) != size)
        return error_set(e, "%s: holds a zero byte, expected text", path);
    for (const char *p = header; *p; p++)
        t.fields += *p == ',';
    for (size_t k = 0; k < size; k++)
        lines += at[k] == '\n';
    if (!(line = next_line(&at)) || strcmp(line, header) != 0)
        return error_set(e, "%s:1: the header is \"%.120s\", expected \"%s\"", path, line ? line : "", header);
    if (!(out->row = arena_array(a, lines, sizeof *out->row)))
        return false;
    for (out->count = 0; (line = next_line(&at));) {
        t.line++;
        if (!*line)
            continue;
        if (!cut(&t, line) || !row_read(&t, &out->row[out->count++]))
            return false;
    }
    return true;
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
