/* SPDX-License-Identifier: MIT */
/* Marks: the test questions whose answers are reported when methods are compared at equal forgetting ("use":
 * "reporting"). The other test questions, those for matching, say how much is forgotten. So the comparison is never
 * reported on the questions by which its snapshots were chosen. */
#include <stdlib.h>
#include <string.h>
#include "eval/metrics/measure.h"
#include "ref/run/run.h"

static int by_id(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Adds the marked questions of a file to m->id, which has room for them. */
static void marks_add(Marks *m, const Dataset *from)
{
    for (size_t k = 0; k < from->count; k++)
        if (from->sample[k].use == USE_REPORTING)
            m->id[m->count++] = from->sample[k].id;
}

bool marks_read(Marks *m, const Run *r, Arena *a)
{
    size_t all = r->general.count;
    for (size_t k = 0; k < r->plan.world.groups; k++)
        all += r->group[k].count;
    *m = (Marks){ arena_array(a, all + 1, sizeof *m->id), 0 };
    if (!m->id)
        return false;
    marks_add(m, &r->general);
    for (size_t k = 0; k < r->plan.world.groups; k++)
        marks_add(m, &r->group[k]);
    qsort(m->id, m->count, sizeof *m->id, by_id);
    return true;
}

static bool is_marked(const Marks *m, const Result *r)
{
    return bsearch(&r->id, m->id, m->count, sizeof *m->id, by_id) != NULL;
}

/* The answers to the marked questions, or to the unmarked ones. */
typedef struct { Result *r; size_t count; } MarkedPart;

static bool choose_part(MarkedPart *out, const Marks *m, bool marked, const Result *r, size_t count, Arena *a)
{
    *out = (MarkedPart){ arena_array(a, count + 1, sizeof *out->r), 0 };
    for (size_t k = 0; out->r && k < count; k++)
        if (is_marked(m, &r[k]) == marked)
            out->r[out->count++] = r[k];
    return out->r != NULL;
}

static bool split_measure(Rows *rows, Row row, const char *split, Subjects subjects, MarkedPart p, Error *e)
{
    const size_t before = rows->count;
    row.split = split;
    return measure(rows, row, subjects, p.r, NULL, p.count, e)
        && (rows->count > before
            || error_set(e, "%s: no test question belongs to the split %s, expected some with \"use\": \"reporting\" and some "
                            "without it", row.scenario, split));
}

/* The entities that have the exposure of entity `first`. The list is empty if an entity before
 * `first` has the same exposure, so that each exposure is measured once. */
static bool entities_of_exposure(EntityList *out, const EntityList *all, size_t first, Arena *a)
{
    *out = (EntityList){ arena_array(a, all->count + 1, sizeof *out->entity), 0 };
    const int64_t exposure = all->entity[first]->exposure;
    for (size_t k = 0; out->entity && k < all->count; k++) {
        if (k < first && all->entity[k]->exposure == exposure)
            break;
        if (all->entity[k]->exposure == exposure)
            out->entity[out->count++] = all->entity[k];
    }
    return out->entity != NULL;
}

bool marks_measure(const Marks *m, Rows *rows, Row row, const Splits *s, const char *general, const Result *r, size_t count, Arena *a,
                   Error *e)
{
    if (m->count == 0)
        return true;
    MarkedPart matching, reporting;
    const Subjects forget = { &s->forget, NULL, true }, of_general = { NULL, general, false };
    if (!choose_part(&matching, m, false, r, count, a) || !choose_part(&reporting, m, true, r, count, a)
        || !split_measure(rows, row, "unlearn_matching", forget, matching, e)
        || !split_measure(rows, row, "unlearn_reporting", forget, reporting, e)
        || !split_measure(rows, row, "general_reporting", of_general, reporting, e))
        return false;
    row.split = "general_reporting";
    if (!measure_log_odds(rows, row, of_general, reporting.r, reporting.count, e))
        return false;
    for (size_t k = 0; k < s->forget.count; k++) {
        EntityList level;
        const int64_t exposure = s->forget.entity[k]->exposure;
        if (!entities_of_exposure(&level, &s->forget, k, a))
            return false;
        const Subjects of_level = { &level, NULL, true };
        const char *matched = arena_format(rows->arena, "exposure%lld_matching", (long long)exposure);
        const char *reported = arena_format(rows->arena, "exposure%lld_reporting", (long long)exposure);
        if (exposure >= 0 && level.count && (!matched || !split_measure(rows, row, matched, of_level, matching, e)
                                             || !reported || !split_measure(rows, row, reported, of_level, reporting, e)))
            return false;
    }
    return true;
}
