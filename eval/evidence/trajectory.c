/* SPDX-License-Identifier: MIT */
#include "eval/evidence/trajectory.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include "eval/csv.h"
#include "tensor/base/decimal.h"
#include "tensor/base/file.h"

static const char header[] = "arm,method,seed,step,matching_image,matching_text,reporting_image,reporting_text,general,log_odds";

/* The accuracies of a point, in the order of their columns. */
enum { ACCURACIES = 5 };
static const char *const accuracies[ACCURACIES] = { "matching_image", "matching_text", "reporting_image", "reporting_text", "general" };

static double *accuracy_at(Point *p, int k)
{
    return k == 4 ? &p->general : k < 2 ? &p->matching[k] : &p->reporting[k - 2];
}

bool trajectory_write(const Trajectory *t, const Registration *r, const char *path, Error *e)
{
    FileWriter w;
    char number[32];
    if (!file_begin(&w, path, e))
        return false;
    fprintf(w.stream, "%s\n", header);
    for (size_t k = 0; k < t->count; k++) {
        Point p = t->point[k];
        fprintf(w.stream, "%s,%s,%" PRIu64 ",%" PRId64, r->arm[p.arm].name, r->method[p.method], r->seed[p.seed], p.step);
        for (int i = 0; i < ACCURACIES; i++)
            fprintf(w.stream, ",%s", decimal_double(*accuracy_at(&p, i), number));
        fprintf(w.stream, ",%s\n", isfinite(p.log_odds) ? decimal_double(p.log_odds, number) : "");
    }
    return file_finish(&w, e);
}

/* --- names --- */

static size_t arm_of(const Registration *r, const char *name)
{
    size_t k = 0;
    while (k < r->arms && strcmp(r->arm[k].name, name) != 0)
        k++;
    return k;
}

static size_t finding_of(const Registration *r, const char *name)
{
    size_t k = 0;
    while (k < r->findings && strcmp(r->finding[k].name, name) != 0)
        k++;
    return k;
}

/* Reads the columns method and seed, whose values must be registered. */
static bool method_and_seed(const Csv *t, const Registration *r, size_t *method, size_t *seed)
{
    const char *name = csv_text(t, "method");
    int64_t number;
    *method = *seed = 0;
    while (*method < r->methods && strcmp(r->method[*method], name) != 0)
        ++*method;
    if (*method == r->methods)
        return error_set(t->error, "%s:%zu: the method \"%s\" is not registered, expected one of %s", t->path, t->line, name, r->path);
    if (!csv_whole(t, "seed", false, &number))
        return false;
    while (*seed < r->seeds && r->seed[*seed] != (uint64_t)number)
        ++*seed;
    return *seed < r->seeds
        || error_set(t->error, "%s:%zu: the seed %" PRId64 " is not registered, expected one of %s", t->path, t->line, number, r->path);
}

static bool same_path(const Point *a, const Point *b)
{
    return a->arm == b->arm && a->method == b->method && a->seed == b->seed;
}

static bool point_read(const Csv *t, const Registration *r, const Trajectory *before, Point *p)
{
    const Point *last = before->count ? &before->point[before->count - 1] : NULL;
    const char *name = csv_text(t, "arm");
    if ((p->arm = arm_of(r, name)) == r->arms)
        return error_set(t->error, "%s:%zu: the arm \"%s\" is not registered, expected one of %s", t->path, t->line, name, r->path);
    if (!method_and_seed(t, r, &p->method, &p->seed) || !csv_whole(t, "step", false, &p->step) || !csv_number(t, "log_odds", &p->log_odds))
        return false;
    for (int k = 0; k < ACCURACIES; k++)
        if (!csv_number(t, accuracies[k], accuracy_at(p, k)))
            return false;
        else if (!(*accuracy_at(p, k) >= 0 && *accuracy_at(p, k) <= 1))
            return error_set(t->error, "%s:%zu: %s is \"%s\", expected an accuracy from 0 to 1", t->path, t->line, accuracies[k],
                             csv_text(t, accuracies[k]));
    const bool follows = last && same_path(last, p);
    if (follows ? p->step <= last->step : p->step != 0)
        return error_set(t->error, "%s:%zu: step is %" PRId64 ", expected %s", t->path, t->line, p->step,
                         follows ? "more than in the line before" : "0, with which an arm, method and seed begin");
    for (size_t k = 0; !follows && k < before->count; k++)
        if (same_path(&before->point[k], p))
            return error_set(t->error, "%s:%zu: the arm %s with the method %s and this seed appears twice, expected all its steps in one "
                                       "place", t->path, t->line, name, r->method[p->method]);
    return true;
}

bool trajectory_read(Trajectory *out, const Registration *r, const char *path, Arena *a, Error *e)
{
    Csv t;
    *out = (Trajectory){ .count = 0 };
    if (!csv_open(&t, path, header, a, e) || !(out->point = arena_array(a, t.lines, sizeof *out->point)))
        return false;
    for (; csv_next(&t); out->count++)
        if (!point_read(&t, r, out, &out->point[out->count]))
            return false;
    return !e->failed;
}

/* --- contrasts.csv --- */

static const char contrasts_header[] = "finding,method,seed,value,reached";

bool contrasts_write(const Contrasts *c, const Registration *r, const char *path, Error *e)
{
    FileWriter w;
    char number[32];
    if (!file_begin(&w, path, e))
        return false;
    fprintf(w.stream, "%s\n", contrasts_header);
    for (size_t k = 0; k < c->count; k++) {
        const Contrast *x = &c->item[k];
        fprintf(w.stream, "%s,%s,%" PRIu64 ",%s,%d\n", r->finding[x->finding].name, r->method[x->method], r->seed[x->seed],
                x->reached ? decimal_double(x->value, number) : "", x->reached);
    }
    return file_finish(&w, e);
}

static bool contrast_read(const Csv *t, const Registration *r, const Contrasts *before, Contrast *x)
{
    const char *name = csv_text(t, "finding");
    int64_t reached;
    if ((x->finding = finding_of(r, name)) == r->findings)
        return error_set(t->error, "%s:%zu: the finding \"%s\" is not registered, expected one of %s", t->path, t->line, name, r->path);
    if (!method_and_seed(t, r, &x->method, &x->seed) || !csv_number(t, "value", &x->value) || !csv_whole(t, "reached", false, &reached))
        return false;
    if (reached > 1 || (reached == 1) != isfinite(x->value))
        return error_set(t->error, "%s:%zu: value is \"%s\" and reached is %" PRId64 ", expected a number and 1, or nothing and 0", t->path,
                         t->line, csv_text(t, "value"), reached);
    x->reached = reached;
    for (size_t k = 0; k < before->count; k++)
        if (before->item[k].finding == x->finding && before->item[k].method == x->method && before->item[k].seed == x->seed)
            return error_set(t->error, "%s:%zu: %s by %s with this seed appears twice, expected it once", t->path, t->line, name,
                             r->method[x->method]);
    return true;
}

bool contrasts_read(Contrasts *out, const Registration *r, const char *path, Arena *a, Error *e)
{
    Csv t;
    *out = (Contrasts){ .count = 0 };
    if (!csv_open(&t, path, contrasts_header, a, e) || !(out->item = arena_array(a, t.lines, sizeof *out->item)))
        return false;
    for (; csv_next(&t); out->count++)
        if (!contrast_read(&t, r, out, &out->item[out->count]))
            return false;
    return !e->failed;
}
