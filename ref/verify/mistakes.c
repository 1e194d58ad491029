/* SPDX-License-Identifier: MIT */
#include "ref/verify/mistakes.h"

#include <math.h>
#include <string.h>
#include "ref/trace/noise_trace.h"
#include "ref/trace/tolerance.h"
#include "ref/verify/distances.h"

#define NEARER 8.0                   // an answer must be this many times nearer to the mistake's value than to the right one

void mistakes_begin(Mistakes *m) { m->mistakes = m->sightings = m->judged_count = 0; }

static bool same_bits(const Tensor *x, const Tensor *y) { return memcmp(x->data, y->data, tensor_bytes(*x)) == 0; }

static double rms_of(const Tensor *x)
{
    double sum = 0;
    for (size_t i = 0; i < shape_size(x->shape); i++)
        sum += (double)x->f32[i] * (double)x->f32[i];
    return sqrt(sum / (double)shape_size(x->shape));
}

/* Whether x is within `slack` times the answer's tolerance around y. At fp32 an answer with bounds is compared element
 * by element; a slack above 1 then also allows for the roundings of y itself. */
static bool within(const Mistakes *m, const Answer *a, const Tensor *x, const Tensor *y, double slack)
{
    if (a->bound && m->precision == PRECISION_FP32 && shape_equal(a->bound->shape, y->shape)) {
        for (size_t i = 0; i < shape_size(y->shape); i++)
            if (!(fabs((double)x->f32[i] - (double)y->f32[i])
                  <= slack * (double)a->bound->f32[i] + (slack - 1) * 0x1p-21 * fabs((double)y->f32[i])))
                return false;
        return true;
    }
    Noise z = a->noise ? noise_at(a->noise, m->precision) : (Noise){ 0, 0 };
    return distance_error(y, x).rms <= slack * tolerances[m->precision].rms * z.rms;
}

/* As `within`, with an addition for a slack above 1. Then y is the value of a mistake, while the bounds and the
 * noise are those of the right value. The mistake's value may be 2000 times as large, with 2000 times the noise, or
 * a sum may cancel in it that does not cancel in the right value. So an x that is as near to y as fp32 can be is always
 * close enough. If y is larger than the right value and the answer has no bound, the noise is enlarged as much.
 * An answer that must be exact is close only if it has the bits of y. */
static bool close_to(const Mistakes *m, const Answer *a, const Tensor *x, const Tensor *y, double slack)
{
    if (a->exact || x->dtype != F32)
        return same_bits(x, y);
    if (within(m, a, x, y, slack))
        return true;
    if (slack == 1 || !shape_equal(a->right->shape, y->shape))
        return false;
    double error_rms = distance_error(y, x).rms, growth = rms_of(y) / rms_of(a->right);
    return error_rms <= 0x1p-22 * rms_of(y) || (growth > 1 && isfinite(growth) && within(m, a, x, y, slack * growth) && !a->bound);
}

/* How many times nearer `got` is to the mistake's value than to the right value; 0: it
 * does not have the mistake's value. */
static double nearness(const Mistakes *m, const Answer *a, const Tensor *wrong)
{
    if (a->got->dtype != wrong->dtype || !shape_equal(a->got->shape, wrong->shape))
        return 0;
    if (same_bits(a->got, wrong))
        return INFINITY;
    if (wrong->dtype != F32 || a->exact)
        return 0;
    double to_wrong = distance_error(wrong, a->got).rms;
    if (!shape_equal(a->right->shape, wrong->shape)) {             // no other mistake has this shape
        double size = 0;
        for (size_t i = 0; i < shape_size(wrong->shape); i++)
            size += (double)wrong->f32[i] * (double)wrong->f32[i];
        return to_wrong <= 0x1p-10 * sqrt(size / (double)shape_size(wrong->shape)) ? INFINITY : 0;
    }
    double nearer = distance_error(a->right, a->got).rms / to_wrong;
    return nearer >= NEARER && close_to(m, a, a->got, wrong, 4) ? nearer : 0;
}

/* Whether the mistake changes this answer enough to be recognised. */
static bool tells_apart(const Mistakes *m, const Answer *a, const Tensor *wrong)
{
    return a->right->dtype != wrong->dtype || !shape_equal(a->right->shape, wrong->shape)
        || !close_to(m, a, wrong, a->right, 1);
}

static size_t index_of(Mistakes *m, const char *flag, size_t length)
{
    size_t k = 0;
    while (k < m->mistakes && (strlen(m->mistake[k].flag) != length || strncmp(m->mistake[k].flag, flag, length) != 0))
        k++;
    if (k == m->mistakes && k < MISTAKES) {
        m->mistake[k].flag = arena_format(m->arena, "%.*s", (int)length, flag);
        m->mistake[k].shown = m->mistake[k].near = 0;
        m->mistakes += m->mistake[k].flag != NULL;
    }
    return k;
}

/* Compares an answer with every mistake of its case. Returns whether any of them changes the
 * answer enough to be recognised. */
static bool compare(Mistakes *m, const char *id, const char *name, const Answer *x, json_t *line)
{
    size_t length = strlen(id);
    bool any = false;
    for (size_t k = 0; k < m->wrong.count; k++) {
        const Entry *w = &m->wrong.entries[k];
        const char *slash = strrchr(w->name, '/');
        if (strncmp(w->name, id, length) != 0 || w->name[length] != '@' || !slash || strcmp(slash + 1, name) != 0)
            continue;
        size_t which = index_of(m, w->name + length + 1, (size_t)(slash - w->name) - length - 1);
        if (which >= m->mistakes || !tells_apart(m, x, &w->tensor))
            continue;
        double nearer = line ? nearness(m, x, &w->tensor) : 0;
        any = true;
        m->mistake[which].shown++;
        m->mistake[which].near += nearer > 0;
        if (nearer > 0 && m->sightings < SIGHTINGS) {
            m->sighting[m->sightings].line = line;
            m->sighting[m->sightings].mistake = which;
            m->sighting[m->sightings++].nearer = nearer;
        }
    }
    return any;
}

static void keep(Mistakes *m, const char *id, const char *name, const Answer *x, json_t *line)
{
    if (m->judged_count == m->judged_capacity) {
        size_t capacity = 2 * m->judged_capacity + 64;
        Judged *more = arena_array(m->arena, capacity, sizeof *more);
        if (!more)
            return;
        if (m->judged_count)
            memcpy(more, m->judged, m->judged_count * sizeof *more);
        m->judged = more;
        m->judged_capacity = capacity;
    }
    m->judged[m->judged_count++] = (Judged){ id, arena_text(m->arena, name), *x, *x->got, line };
}

void mistakes_see(Mistakes *m, const char *id, const char *name, const Answer *x, json_t *line)
{
    if (m->keeps)
        keep(m, id, name, x, line);
    else
        compare(m, id, name, x, line);
}

bool mistakes_see_kept(Mistakes *m, const Judged *j)
{
    Answer x = j->x;
    x.got = &j->got;
    return compare(m, j->id, j->name, &x, j->line);
}

static void add_text(json_t *line, const char *text)
{
    const char *what = json_string_value(json_object_get(line, "what"));
    char all[1200];
    snprintf(all, sizeof all, "%s%s%s", what, *what ? ", " : "", text);
    json_put(line, "what", json_string(all));
}

/* Whether sighting x explains its line better than sighting y. First comes a mistake that explains every answer that it
 * changes; of two such mistakes the one that changes more answers; and then the one whose value is nearer. */
static bool better(const Mistakes *m, size_t x, size_t y)
{
    size_t i = m->sighting[x].mistake, j = m->sighting[y].mistake;
    bool whole_x = m->mistake[i].near == m->mistake[i].shown, whole_y = m->mistake[j].near == m->mistake[j].shown;
    if (whole_x != whole_y)
        return whole_x;
    return whole_x && m->mistake[i].shown != m->mistake[j].shown ? m->mistake[i].shown > m->mistake[j].shown
            : m->sighting[x].nearer > m->sighting[y].nearer;
}

const char *mistakes_settle(Mistakes *m, size_t *lines)
{
    const char *named = NULL;
    *lines = 0;
    for (size_t k = 0; k < m->sightings; k++) {
        size_t best = k, which;
        bool first = true;
        for (size_t i = 0; i < m->sightings; i++) {
            if (m->sighting[i].line != m->sighting[k].line)
                continue;
            first &= i >= k;
            best = better(m, i, best) ? i : best;
        }
        if (!first)
            continue;
        which = m->sighting[best].mistake;
        const char *flag = m->mistake[which].flag;
        double nearer = m->sighting[best].nearer;
        if (m->mistake[which].near < m->mistake[which].shown) {
            add_text(m->sighting[k].line, arena_format(m->arena, "near %s on %zu of %zu tensors", flag, m->mistake[which].near,
                    m->mistake[which].shown));
            continue;
        }
        add_text(m->sighting[k].line, isfinite(nearer)
                ? arena_format(m->arena, "the value of the known mistake %s (%.3g times nearer than the right value)", flag, nearer)
                                                  : arena_format(m->arena, "the value of the known mistake %s", flag));
        json_put(m->sighting[k].line, "mistake", json_string(flag));
        ++*lines;
        if (!named)
            named = flag;
        else if (!strstr(named, flag))
            named = arena_format(m->arena, "%s, %s", named, flag);
    }
    return named;
}
