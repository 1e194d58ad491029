/* SPDX-License-Identifier: MIT */
/* Reads the trajectories of the arms of a base from the tables of its runs. */
#include "ref/evidence/evidence.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include "eval/manifest.h"
#include "eval/protocol.h"
#include "ref/report/data.h"
#include "tensor/base/file.h"

enum { POINTS_MAX = 1 << 18 };            // of all arms, methods and seeds

/* What is being read: one arm in one of its runs, unlearned by one method with one seed. */
typedef struct {
    const Registration *r;
    const Arm *arm;
    const Report *run;
    const char *dir;
    size_t arm_index, run_index, method, seed;           // indices, from 0; run_index: of the arm's runs
    Error *e;
} Reading;

/* A point before its rows are read. Its numbers are NaN until they are found; `matching` is a sum and begins at 0. */
static Point point_begin(const Reading *x, int64_t step)
{
    return (Point){ x->arm_index, x->method, x->seed, step, { 0, 0 }, { NAN, NAN }, NAN, NAN };
}

/* Puts the number of a row into the point, if the point has a place for it. `found` counts the matching splits of the
 * arm that have had a row so far: [0] of questions with pictures, [1] of questions without pictures. */
static void row_take(const Reading *x, const ReportRow *row, Point *p, size_t found[2])
{
    const int modality = strcmp(row->modality, "image") == 0 ? 0 : strcmp(row->modality, "text") == 0 ? 1 : 2;
    const bool accuracy = strcmp(row->metric, "accuracy") == 0;
    if (modality == 2 && strcmp(row->split, "general_reporting") == 0) {
        if (accuracy)
            p->general = row->value;
        else if (strcmp(row->metric, "log_odds") == 0)
            p->log_odds = row->value;
    }
    if (!accuracy || modality == 2)
        return;
    if (strcmp(row->split, x->arm->reporting) == 0)
        p->reporting[modality] = row->value;
    for (size_t k = 0; k < x->arm->splits; k++)
        if (strcmp(row->split, x->arm->matching[k]) == 0) {
            p->matching[modality] += row->value / (double)x->arm->splits;
            found[modality]++;
        }
}

static bool point_complete(const Reading *x, const Point *p, const size_t found[2])
{
    const bool complete = found[0] == x->arm->splits && found[1] == x->arm->splits && isfinite(p->general) && isfinite(p->reporting[0])
                    && isfinite(p->reporting[1]);
    return complete || error_set(x->e, "%s: the arm %s by %s with seed %" PRIu64 " lacks accuracies at step %" PRId64 ", expected one for "
                                    "each matching split, one for the reporting split and one for general_reporting", x->dir, x->arm->name,
                              x->r->method[x->method], x->r->seed[x->seed], p->step);
}

/* Whether the row belongs to what is being read; with `before`, to the model before unlearning. */
static bool row_belongs(const Reading *x, const ReportRow *row, bool before)
{
    return row->seed == x->r->seed[x->seed] && strcmp(row->scenario, x->arm->scenario) == 0
        && (before ? strcmp(row->method, "none") == 0
                   : strcmp(row->method, x->r->method[x->method]) == 0 && strcmp(row->trainable, x->arm->trainable) == 0);
}

/* Adds a point whose rows have been read. */
static bool point_add(const Reading *x, Trajectory *to, Point p, const size_t found[2])
{
    if (!point_complete(x, &p, found))
        return false;
    if (to->count == POINTS_MAX)
        return error_set(x->e, "%s: the runs have more than %d snapshots, expected no more", x->dir, POINTS_MAX);
    to->point[to->count++] = p;
    return true;
}

static bool point_before(const Reading *x, Trajectory *to)
{
    size_t found[2] = { 0, 0 };
    Point p = point_begin(x, 0);
    for (size_t k = 0; k < x->run->results.count; k++)
        if (row_belongs(x, &x->run->results.row[k], true))
            row_take(x, &x->run->results.row[k], &p, found);
    return point_add(x, to, p, found);
}

/* The last request and its last step in the run. */
static bool last_of(const Reading *x, int64_t *request, int64_t *step)
{
    *request = *step = 0;
    for (size_t k = 0; k < x->run->trajectory.count; k++) {
        const ReportRow *row = &x->run->trajectory.row[k];
        if (row_belongs(x, row, false) && (row->round > *request || (row->round == *request && row->step > *step)))
            *request = row->round, *step = row->step;
    }
    return *step > 0 || error_set(x->e, "%s: there is no row of the scenario %s by %s (%s) with seed %" PRIu64 " in trajectory.csv", x->dir,
                                  x->arm->scenario, x->r->method[x->method], x->arm->trainable, x->r->seed[x->seed]);
}

/* Checks that the run took as many steps as were registered for it. */
static bool steps_agree(const Reading *x, int64_t requests, int64_t last)
{
    double steps;
    if (!method_number("steps", x->arm->steps[x->run_index], x->r->method[x->method], &steps, x->e))
        return error_prefix(x->e, "%s:%zu", x->r->path, x->arm->line);
    return (double)(requests * last) == steps
        || error_set(x->e, "%s: the scenario %s by %s ends with request %" PRId64 " and step %" PRId64 ", expected the registered %g "
                           "steps in all", x->dir, x->arm->scenario, x->r->method[x->method], requests, last, steps);
}

/* Adds the snapshots of a run with one request: one after every snapshot_every steps, and one at the end. */
static bool points_of_run(const Reading *x, Trajectory *to, int64_t last)
{
    for (int64_t step = 1; step <= last; step++) {
        if (step % x->r->snapshot_every != 0 && step != last)
            continue;
        size_t found[2] = { 0, 0 };
        Point p = point_begin(x, step);
        for (size_t k = 0; k < x->run->trajectory.count; k++)
            if (x->run->trajectory.row[k].step == step && row_belongs(x, &x->run->trajectory.row[k], false))
                row_take(x, &x->run->trajectory.row[k], &p, found);
        if (!point_add(x, to, p, found))
            return false;
    }
    return true;
}

/* Adds one point, for the end of a run with several requests. */
static bool point_of_end(const Reading *x, Trajectory *to, int64_t requests, int64_t last)
{
    size_t found[2] = { 0, 0 };
    Point p = point_begin(x, requests * last);
    for (size_t k = 0; k < x->run->trajectory.count; k++) {
        const ReportRow *row = &x->run->trajectory.row[k];
        if (row->round == requests && row->step == last && row_belongs(x, row, false))
            row_take(x, row, &p, found);
    }
    return point_add(x, to, p, found);
}

/* Adds the trajectory of one arm, method and seed: the point before unlearning, then those of each run. */
static bool arm_trajectory_read(Reading *x, Trajectory *to, const Report *runs, const size_t *run_of)
{
    for (x->run_index = 0; x->run_index < x->arm->runs; x->run_index++) {
        int64_t requests, last;
        x->run = &runs[run_of[x->run_index]];
        x->dir = x->run->dir;
        if ((x->run_index == 0 && !point_before(x, to)) || !last_of(x, &requests, &last) || !steps_agree(x, requests, last))
            return false;
        if (requests == 1 ? !points_of_run(x, to, last) : !point_of_end(x, to, requests, last))
            return false;
    }
    return true;
}

/* The index of a run, which is opened once, however many arms read it. ARMS_MAX * ARM_RUNS: the run cannot be read. */
static size_t run_open(Report *runs, size_t *count, json_t *links, const char *folder, const char *name, Arena *a, Error *e)
{
    const size_t failed = ARMS_MAX * ARM_RUNS;
    const char *dir = arena_format(a, "%s/%s", folder, name);
    for (size_t k = 0; dir && k < *count; k++)
        if (strcmp(runs[k].dir, dir) == 0)
            return k;
    Report *x = &runs[*count];
    *x = (Report){ .dir = dir, .arena = a };
    if (!dir || !report_read(x, e))
        return failed;
    if (!x->chain)
        return error_set(e, "%s/manifest.json: there is no link of the results, expected a finished run", dir), failed;
    json_put(links, name, json_string(x->chain));
    return (*count)++;
}

bool arms_read(Trajectory *out, json_t *links, const Registration *r, const char *folder, Arena *a, Error *e)
{
    Report *runs = arena_array(a, ARMS_MAX * ARM_RUNS, sizeof *runs);
    size_t count = 0, run_of[ARM_RUNS];
    *out = (Trajectory){ arena_array(a, POINTS_MAX, sizeof *out->point), 0 };
    if (!runs || !out->point)
        return false;
    for (size_t k = 0; k < r->arms; k++) {
        const char *first = arena_format(a, "%s/%s", folder, r->arm[k].run[0]);
        if (!first || !file_exists(first))               // this arm has not been run yet
            continue;
        for (size_t i = 0; i < r->arm[k].runs; i++)
            if ((run_of[i] = run_open(runs, &count, links, folder, r->arm[k].run[i], a, e)) == ARMS_MAX * ARM_RUNS)
                return false;
        for (size_t m = 0; m < r->methods; m++)
            for (size_t s = 0; s < r->seeds; s++) {
                Reading x = { .r = r, .arm = &r->arm[k], .arm_index = k, .method = m, .seed = s, .e = e };
                if (!arm_trajectory_read(&x, out, runs, run_of))
                    return false;
            }
    }
    return out->count > 0 || error_set(e, "%s: there is no run of a registered arm, expected folders such as %s/%s", folder, folder,
                                       r->arm[0].run[0]);
}
