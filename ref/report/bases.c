/* SPDX-License-Identifier: MIT */
/* Bases: the figure of the verdicts. A panel for each finding has a row for the mean of the methods and a row for each
 * method. A row has a dot for each base, and the mean of the bases with its interval. */
#include "ref/report/figures.h"

#include <inttypes.h>
#include <math.h>

// sizes in pixels: the space for the names of the rows, the free space at the right, the height of a row, the height
// above the first row, that below the last one, and the width of a panel. ALL is no size: in place of the index of a
// method it means the mean of all methods
enum { LABEL = 92, RIGHT = 12, PITCH = 26, TOP = 6, FOOT = 38, WIDTH = 360, ALL = -1 };

/* The values that the horizontal axis shows. */
typedef struct { double least, most; } Range;

static const Evidence *evidence_of(const Verdict *v, int method) { return method == ALL ? &v->all : &v->method[method]; }

/* The measure of one base: its difference is the measure minus the threshold. */
static double value_of(const Verdict *v, const BaseDifference *b) { return v->finding->threshold + b->difference; }

static void include(Range *r, double value)
{
    r->least = fmin(r->least, value);
    r->most = fmax(r->most, value);
}

/* The range holds all dots, the threshold, and the threshold plus delta. It holds the intervals as far as they lie
 * between -1 and 1, because the interval of two or three bases can be far wider than any value of a measure. */
static Range range_of(const Verdict *v, const Registration *registered)
{
    const Finding *f = v->finding;
    Range r = { f->threshold, f->threshold };
    include(&r, f->threshold + f->delta);
    for (int m = ALL; m < (int)registered->methods; m++) {
        const Evidence *x = evidence_of(v, m);
        for (size_t k = 0; k < x->finished; k++)
            if (x->base[k].reached)
                include(&r, value_of(v, &x->base[k]));
        if (x->reached >= 2) {
            const double mean = f->threshold + x->interval.mean;
            include(&r, fmax(mean - x->interval.half, -1));
            include(&r, fmin(mean + x->interval.half, 1));
        }
    }
    return r;
}

static double x_of(Range r, double value)
{
    const double inside = fmin(fmax(value, r.least), r.most), span = r.most > r.least ? r.most - r.least : 1;
    return LABEL + (WIDTH - LABEL - RIGHT) * (inside - r.least) / span;
}

/* Ticks stand at the multiples of a distance, which is a whole number of points. */
static void ticks(Page *p, Range r, double foot, Arena *a)
{
    const double distance = tick_distance(100 * (r.most - r.least)) / 100;
    for (double n = ceil(r.least / distance); n * distance <= r.most; n++) {
        const char *text = arena_format(a, "%.0f", 100 * n * distance + 0.0);
        svg_line(p->f, "grid", x_of(r, n * distance), TOP, x_of(r, n * distance), foot);
        svg_text(p->f, "axis", x_of(r, n * distance), foot + 15, "middle", text ? text : "");
    }
    svg_text(p->f, "axis", LABEL + (WIDTH - LABEL - RIGHT) / 2.0, foot + 32, "middle", "points of 100");
}

static void row(Page *p, const Verdict *v, int method, const char *label, Range r, double y)
{
    const Evidence *x = evidence_of(v, method);
    const double mean = v->finding->threshold + x->interval.mean, half = x->interval.half;
    svg_text(p->f, "label", LABEL - 10, y + 4, "end", label);
    if (x->reached >= 2)
        svg_line(p->f, "range", x_of(r, mean - half), y, x_of(r, mean + half), y);
    for (size_t k = 0; k < x->finished; k++)
        if (x->base[k].reached)
            svg_dot(p->f, method == ALL ? "s1" : "plain", x_of(r, value_of(v, &x->base[k])), y, 3.5);
    if (x->reached >= 2)
        svg_rect(p->f, method == ALL ? "bar s1" : "bar plain", x_of(r, mean) - 2, y - 8, 4, 16);
}

static const char *label_of(const Registration *registered, int method)
{
    return method == ALL ? "all methods" : method_label(registered->method[method]);
}

/* "the change of general ability in A minus that in B, at equal forgetting. A is L, B is E." */
static const char *measure_text(const Finding *f, const Registration *registered, Arena *a)
{
    const MeasureInfo *m = &measure_info[f->measure];
    const char *text = arena_format(a, "%s.", m->formula);
    for (size_t k = 0; text && k < m->arms; k++)
        text = arena_format(a, "%s%s %c is %s", text, k ? "," : "", 'A' + (int)k, registered->arm[f->arm[k]].name);
    return arena_format(a, "%s.", text ? text : "");
}

static void panel(Page *p, const Verdict *v, const Registration *registered, Arena *a)
{
    const Finding *f = v->finding;
    const Range r = range_of(v, registered);
    const double foot = TOP + PITCH * (double)(registered->methods + 1);
    const char *desc = arena_format(a, "The values of %zu bases, with the mean and its interval. The table below holds the numbers.",
                                    v->all.finished);
    panel_begin(p, f->name, measure_text(f, registered, a), WIDTH, foot + FOOT, desc ? desc : "");
    ticks(p, r, foot, a);
    svg_line(p->f, "base", x_of(r, f->threshold), TOP, x_of(r, f->threshold), foot);
    if (f->delta > 0)
        svg_line(p->f, "delta", x_of(r, f->threshold + f->delta), TOP, x_of(r, f->threshold + f->delta), foot);
    for (int m = ALL; m < (int)registered->methods; m++)
        row(p, v, m, label_of(registered, m), r, TOP + PITCH * (m + 1.5));
    panel_end(p);
}

/* The value of base `number` in points of 100; "–": the base never reaches a level; "": it is not finished. */
static const char *value_text(const Verdict *v, int method, int64_t number, Arena *a)
{
    const Evidence *x = evidence_of(v, method);
    for (size_t k = 0; k < x->finished; k++)
        if (x->base[k].number == number)
            return x->base[k].reached ? arena_format(a, "%.1f", 100 * value_of(v, &x->base[k])) : "–";
    return "";
}

static void numbers(Page *p, const Verdicts *v, const Registration *registered, Arena *a)
{
    const char *columns[1 + SIGN_FLIP_MAX] = { "methods" }, *cells[1 + SIGN_FLIP_MAX];
    const size_t width = 1 + (size_t)registered->bases;
    for (size_t k = 1; k < width; k++)
        columns[k] = arena_format(a, "base %zu", k);
    table_begin(p, "The measure on each base, in points of 100, the mean over the seeds.", columns, width);
    for (size_t f = 0; f < v->count; f++) {
        if (v->verdict[f].all.reached < 2)
            continue;
        const char *title = arena_format(a, "%s: %s", v->verdict[f].finding->name, v->verdict[f].finding->says);
        table_group(p, title ? title : "", width);
        for (int m = ALL; m < (int)registered->methods; m++) {
            cells[0] = label_of(registered, m);
            for (size_t k = 1; k < width; k++)
                cells[k] = value_text(&v->verdict[f], m, (int64_t)k, a);
            table_row(p, cells, width);
        }
    }
    table_end(p);
}

void report_bases(Page *p, const Verdicts *v, const Registration *registered, Arena *a)
{
    size_t shown = 0;
    for (size_t k = 0; k < v->count; k++)
        shown += v->verdict[k].all.reached >= 2;
    if (!shown)
        return;
    figure_begin(p, "The bases, one by one", "Each dot is one base. The bar is the mean of the bases, and the line through it is its "
                                             "95 % interval. The upright grey line is at the threshold of the finding, which is 0 for "
                                             "most. The dashed line is further to the right by delta, the smallest difference that "
                                             "matters. For the verdict \"yes\", the interval of all methods must lie to the right of the "
                                             "dashed line, or of the grey one if delta is 0.");
    for (size_t k = 0; k < v->count; k++)
        if (v->verdict[k].all.reached >= 2)
            panel(p, &v->verdict[k], registered, a);
    figure_numbers(p);
    numbers(p, v, registered, a);
    figure_end(p, "contrasts.csv of the finished bases (fixtures/findings)");
}
