/* SPDX-License-Identifier: MIT */
/* The numbers of the findings, from the trajectories of a base. measures.def says what each measure is. */
#include "eval/evidence/equal_forgetting.h"
#include "eval/evidence/trajectory.h"

/* The points of one arm, method and seed. */
typedef struct { const Point *point; size_t count; } Path;

static Path path_of(const Trajectory *t, size_t arm, size_t method, size_t seed)
{
    Path p = { NULL, 0 };
    for (size_t k = 0; k < t->count; k++)
        if (t->point[k].arm == arm && t->point[k].method == method && t->point[k].seed == seed) {
            p.point = p.count ? p.point : &t->point[k];
            p.count++;
        }
    return p;
}

static double forget_accuracy(const Point *p) { return (p->matching[0] + p->matching[1]) / 2; }
static double general(const Point *p) { return p->general; }
static double general_before(Path p) { return p.point[0].general; }
static double reported(const Point *p) { return (p->reporting[0] + p->reporting[1]) / 2; }
static double gap(const Point *p) { return p->reporting[1] - p->reporting[0]; }
static double step(const Point *p) { return (double)p->step; }
static double minus_step(const Point *p) { return -(double)p->step; }

/* A path as snapshots: `x` gives the field `forget` of each snapshot, and `y` the field `general`. */
static Snapshot *snapshots(Path p, double (*x)(const Point *), double (*y)(const Point *), Arena *a)
{
    Snapshot *s = arena_array(a, p.count, sizeof *s);
    for (size_t k = 0; s && k < p.count; k++)
        s[k] = (Snapshot){ (double)p.point[k].step, x(&p.point[k]), y(&p.point[k]) };
    return s;
}

/* The mean of `y` over the levels; false: a level is never reached. */
static bool over_levels(double *out, const Registration *r, Path p, double (*y)(const Point *), Arena *a)
{
    const Snapshot *s = snapshots(p, forget_accuracy, y, a);
    return s && general_over_levels(out, s, p.count, r->level, r->levels);
}

/* The mean general ability of `path` at the steps at which `pacer` reaches the levels. general_at is used twice: first
 * it reads the step at which `pacer` reaches a level, then the general ability of `path` at that step. For the second
 * reading, -step takes the place of the accuracy on what is to be forgotten, because general_at needs a value that
 * falls. */
static bool at_the_steps_of(double *out, const Registration *r, Path path, Path pacer, Arena *a)
{
    const Snapshot *reach = snapshots(pacer, forget_accuracy, step, a), *along = snapshots(path, minus_step, general, a);
    double sum = 0, at, value;
    for (size_t k = 0; reach && along && k < r->levels; k++) {
        if (!general_at(&at, reach, pacer.count, r->level[k]) || !general_at(&value, along, path.count, -at))
            return false;
        sum += value;
    }
    *out = sum / (double)r->levels;
    return reach && along;
}

/* The measure `kept` of measures.def; false: no snapshot has both accuracies halved, or general ability began at 0. */
static bool kept(double *out, Path p)
{
    const Point *start = &p.point[0];
    for (size_t k = 1; k < p.count; k++)
        if (p.point[k].matching[0] <= start->matching[0] / 2 && p.point[k].matching[1] <= start->matching[1] / 2) {
            *out = p.point[k].general / start->general;
            return start->general > 0;
        }
    return false;
}

/* The measure m on the paths of a finding's arms. False: it has no value. Then an arm never reaches a level (for
 * `kept`: never halves both accuracies), or the measure divides by general ability before unlearning, which is 0. */
static bool measure(double *out, const Registration *r, Measure m, const Path *p, Arena *a)
{
    double x, y, z;
    switch (m) {
    case MEASURE_reported:
    case MEASURE_gap: {
        double (*value_of)(const Point *) = m == MEASURE_gap ? gap : reported;
        if (!over_levels(&x, r, p[0], value_of, a) || !over_levels(&y, r, p[1], value_of, a))
            return false;
        *out = x - y;
        return true;
    }
    case MEASURE_general:
    case MEASURE_same_steps:
        if (!(m == MEASURE_general ? over_levels(&x, r, p[0], general, a) : at_the_steps_of(&x, r, p[0], p[1], a))
            || !over_levels(&y, r, p[1], general, a))
            return false;
        *out = (x - general_before(p[0])) - (y - general_before(p[1]));
        return true;
    case MEASURE_halfway:
        if (!over_levels(&x, r, p[0], general, a) || !over_levels(&y, r, p[1], general, a) || !over_levels(&z, r, p[2], general, a))
            return false;
        *out = (x - general_before(p[0])) - ((y - general_before(p[1])) + (z - general_before(p[2]))) / 2;
        return true;
    case MEASURE_lost:
        if (!over_levels(&x, r, p[0], general, a) || !(p[0].point[0].general > 0))
            return false;
        *out = 1 - x / p[0].point[0].general;
        return true;
    case MEASURE_kept:
        return kept(out, p[0]);
    case MEASURES:
        break;
    }
    return false;
}

bool contrasts_of(Contrasts *out, const Registration *r, const Trajectory *t, Arena *a, Error *e)
{
    Arena scratch = arena_make(e);
    *out = (Contrasts){ arena_array(a, r->findings * r->methods * r->seeds, sizeof *out->item), 0 };
    for (size_t f = 0; out->item && f < r->findings; f++)
        for (size_t m = 0; m < r->methods; m++)
            for (size_t s = 0; s < r->seeds; s++) {
                const Finding *x = &r->finding[f];
                Contrast c = { .finding = f, .method = m, .seed = s };
                Path p[FINDING_ARMS];
                bool there = true;
                for (size_t k = 0; k < measure_info[x->measure].arms; k++) {
                    p[k] = path_of(t, x->arm[k], m, s);
                    there = there && p[k].count > 0;
                }
                if (!there)
                    continue;
                c.reached = measure(&c.value, r, x->measure, p, &scratch);
                out->item[out->count++] = c;
                arena_reset(&scratch);
            }
    arena_free(&scratch);
    return out->item && !e->failed;
}
