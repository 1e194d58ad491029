/* SPDX-License-Identifier: MIT */
/* Chart: lines of accuracy, with their names in the right margin. */
#include "ref/report/figures.h"

// sizes in pixels: the four margins, the height without margins, the width with margins, and the least distance of two
// names
enum { LEFT = 28, RIGHT = 122, TOP = 18, FOOT = 36, HEIGHT = 180, WIDTH = 372, NAME_PITCH = 14 };
enum { LINES_MAX = 16 };

double chart_height(void) { return TOP + HEIGHT + FOOT; }
double chart_width(void) { return WIDTH; }

static double y_of(double share) { return TOP + HEIGHT * (share <= 0 ? 1 : share >= 1 ? 0 : 1 - share); }

static double x_of(Axis x, double at)
{
    double span = x.most > x.least ? x.most - x.least : 1, share = (at - x.least) / span;
    return LEFT + (WIDTH - LEFT - RIGHT) * (x.ticks ? share : 1 - share);
}

double tick_distance(double span)
{
    double distance = 1;
    for (int k = 0; distance * 6 < span; k++)
        distance *= k % 3 == 1 ? 2.5 : 2;
    return distance;
}

static void grid(Page *p, Axis x, Arena *a)
{
    for (int k = 0; k <= 4; k++) {
        double y = y_of(k / 4.0);
        svg_line(p->f, k ? "grid" : "base", LEFT, y, WIDTH - RIGHT, y);
        if (k % 2 == 0)
            svg_text(p->f, "axis", LEFT - 6, y + 4, "end", k == 0 ? "0" : k == 2 ? "50" : "100");
    }
    double distance = x.ticks ? tick_distance(x.most - x.least) : 0.5;
    for (int k = 0; k <= 6 && x.least + k * distance <= x.most; k++) {
        double at = x.least + k * distance;
        const char *text = arena_format(a, "%.0f", x.ticks ? at : 100 * at);
        svg_text(p->f, "axis", x_of(x, at), TOP + HEIGHT + 15, "middle", text ? text : "");
    }
    svg_text(p->f, "axis", LEFT + (WIDTH - LEFT - RIGHT) / 2.0, TOP + HEIGHT + 31, "middle", x.x_label);
    svg_text(p->f, "axis", 0, 8, "start", x.y_label);
}

static void draw(Page *p, Axis x, const Line *line, Arena *a)
{
    ArenaMark start = arena_mark(a);
    Point *mean = arena_array(a, line->count, sizeof *mean), *band = arena_array(a, 2 * line->count, sizeof *band);
    bool wide = false;
    for (size_t k = 0; mean && band && k < line->count; k++) {
        const Mark *m = &line->mark[k];
        double at = x_of(x, m->x);
        mean[k] = (Point){ at, y_of(m->s.mean) };
        band[k] = (Point){ at, y_of(m->s.most) };
        band[2 * line->count - 1 - k] = (Point){ at, y_of(m->s.least) };
        wide |= m->s.most > m->s.least;
    }
    if (mean && band && wide && x.ticks)
        svg_area(p->f, line->class, band, 2 * line->count);
    if (mean && band)
        svg_curve(p->f, line->class, mean, line->count);
    for (size_t k = 0; mean && band && line->count <= 30 && k < line->count; k++)
        svg_dot(p->f, line->class, mean[k].x, mean[k].y, 3);
    arena_release(a, start);
}

/* Writes each name in the right margin, at the height where its line ends. Names that would overlap are pushed apart,
 * first downwards, and then up again from the foot of the chart. */
static void name_lines(Page *p, Axis x, const Line *lines, size_t n, Arena *a)
{
    size_t order[LINES_MAX], shown = 0;
    double y[LINES_MAX];
    for (size_t k = 0; k < n; k++) {
        if (lines[k].count == 0)
            continue;
        double at = y_of(lines[k].mark[lines[k].count - 1].s.mean);
        size_t i = shown++;
        for (; i > 0 && y[i - 1] > at; i--)
            y[i] = y[i - 1], order[i] = order[i - 1];
        y[i] = at, order[i] = k;
    }
    for (size_t i = 1; i < shown; i++)
        if (y[i] < y[i - 1] + NAME_PITCH)
            y[i] = y[i - 1] + NAME_PITCH;
    double floor = TOP + HEIGHT;
    for (size_t i = shown; i-- > 0; floor = y[i] - NAME_PITCH)
        if (y[i] > floor)
            y[i] = floor;
    for (size_t i = 0; i < shown; i++) {
        const Line *l = &lines[order[i]];
        const Mark *m = &l->mark[l->count - 1];
        const char *text = arena_format(a, "%s %.0f", l->label, 100 * m->s.mean);
        svg_line(p->f, "lead-line", x_of(x, m->x) + 4, y_of(m->s.mean), WIDTH - RIGHT + 9, y[i]);
        svg_dot(p->f, l->class, WIDTH - RIGHT + 13, y[i], 4);
        svg_text(p->f, "label", WIDTH - RIGHT + 21, y[i] + 4, "start", text ? text : "");
    }
}

void chart_draw(Page *p, Axis axis, const Line *lines, size_t n, Arena *a)
{
    grid(p, axis, a);
    n = n < LINES_MAX ? n : LINES_MAX;
    for (size_t k = 0; k < n; k++)
        if (lines[k].count)
            draw(p, axis, &lines[k], a);
    name_lines(p, axis, lines, n, a);
}
