/* SPDX-License-Identifier: MIT */
/* Curves of accuracy, with one panel for each method: over the steps of unlearning, over the accuracy on what is to be
 * forgotten, request after request, and over the number of requests. */
#include <string.h>
#include "ref/report/figures.h"
#include "tensor/base/decimal.h"

enum { MARKS_MAX = 1000 };
typedef enum { X_STEPS, X_ROUNDS } XAxis;

static int64_t x_of(const ReportRow *x, XAxis axis) { return axis == X_STEPS ? x->step : x->round; }

/* Appends to out[n …] the accuracies that the filter selects: one mark for each step or round, in rising order. Returns
 * the new number of marks. */
static size_t collect(const ReportRows *rows, RowFilter filter, XAxis axis, Mark *out, size_t n)
{
    size_t first = n;
    for (size_t k = 0; k < rows->count && n < MARKS_MAX; k++) {
        RowFilter at_x = filter;
        *(axis == X_STEPS ? &at_x.step : &at_x.round) = x_of(&rows->row[k], axis);
        double x = (double)x_of(&rows->row[k], axis);
        size_t i = first;
        while (i < n && out[i].x < x)
            i++;
        if ((i < n && out[i].x == x) || !summary_of(&(ReportRows){ &rows->row[k], 1 }, at_x).n)
            continue;
        memmove(out + i + 1, out + i, (n - i) * sizeof *out);
        out[i] = (Mark){ x, summary_of(rows, at_x) };
        n++;
    }
    return n;
}

/* A line of the accuracies that the filter selects; it has no marks if there are none. If results.csv has the accuracy
 * before unlearning on the split `split_before`, the line begins with it, at x = 0. */
static Line line_of(const Report *r, const char *class, const char *label, const ReportRows *rows, RowFilter filter,
                    const char *split_before, XAxis axis)
{
    Line l = { class, label, arena_array(r->arena, MARKS_MAX + 1, sizeof(Mark)), 0 };
    if (!l.mark)
        return l;
    const RowFilter start = { filter.scenario, "none", NULL, split_before, filter.modality, "accuracy", ANY, ANY };
    l.mark[0] = (Mark){ 0, summary_of(&r->results, start) };
    size_t first = l.mark[0].s.n ? 1 : 0;
    l.count = collect(rows, filter, axis, l.mark, first);
    if (l.count == first)
        l.count = 0;
    return l;
}

/* The greatest x at which any of the lines ends. */
static double end_of(const Line *lines, size_t n)
{
    double most = 0;
    for (size_t k = 0; k < n; k++)
        if (lines[k].count && lines[k].mark[lines[k].count - 1].x > most)
            most = lines[k].mark[lines[k].count - 1].x;
    return most;
}

/* The least x of all marks whose x is greater than the given one; < 0: there is no such mark. */
static double next_x(const Line *lines, size_t n, double x)
{
    double next = -1;
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < lines[k].count; i++)
            if (lines[k].mark[i].x > x && (next < 0 || lines[k].mark[i].x < next))
                next = lines[k].mark[i].x;
    return next;
}

static void line_rows(Page *p, const Report *r, const char *panel, const Line *lines, size_t n)
{
    for (double x = 0; x >= 0; x = next_x(lines, n, x)) {
        const char *cells[8] = { panel, arena_format(r->arena, "%.0f", x) };
        bool any = false;
        for (size_t k = 0; k < n; k++) {
            Summary s = { .n = 0 };
            for (size_t i = 0; i < lines[k].count; i++)
                if (lines[k].mark[i].x == x)
                    s = lines[k].mark[i].s;
            any |= s.n > 0;
            cells[2 + k] = summary_text(s, r->arena);
        }
        if (any)
            table_row(p, cells, 2 + n);
    }
}

/* --- trajectories --- */

enum { TRACKS = 4 };

static void tracks(const Report *r, const Variant *v, Line out[TRACKS])
{
    static const struct { const char *class, *label, *split, *modality; } track[TRACKS] = {
        { "image", "forget, image", "unlearn", "image" }, { "text", "forget, text", "unlearn", "text" },
        { "retain", "retain", "retain", "both" }, { "general", "general", "general", "both" },
    };
    for (int k = 0; k < TRACKS; k++)
        out[k] = line_of(r, track[k].class, track[k].label, &r->trajectory,
                         (RowFilter){ v->scenario, v->method, v->trainable, track[k].split, track[k].modality, "accuracy", 1, ANY },
                         track[k].split, X_STEPS);
}

static void trajectory_figure(Page *p, const Report *r, const char *scenario)
{
    static const char *const columns[] = { "method", "step", "forget, image, % ↓", "forget, text, % ↓", "retain, % ↑",
                                           "general, % ↑" };
    Variants v = variants(r, scenario);
    Line *lines = arena_array(r->arena, TRACKS * v.count + 1, sizeof *lines);
    figure_begin(p, scenario_label(r, scenario), "The accuracy during unlearning, over the steps of the optimiser. Step 0 is the "
                                                 "model before unlearning. Where the seeds differ, their range is shaded.");
    for (size_t k = 0; lines && k < v.count; k++) {
        tracks(r, &v.item[k], lines + TRACKS * k);
        double most = end_of(lines + TRACKS * k, TRACKS);
        if (!variant_unlearns(&v.item[k]) || most == 0)
            continue;
        panel_begin(p, v.item[k].label, NULL, chart_width(), chart_height(),
                    "Four lines show the accuracy in percent over the steps. The table below holds the numbers.");
        chart_draw(p, (Axis){ 0, most, "steps", "accuracy, %", true }, lines + TRACKS * k, TRACKS, r->arena);
        panel_end(p);
    }
    figure_numbers(p);
    table_begin(p, caption_of(r, "Accuracy in percent after each number of steps; mean and, in brackets, range over the seeds", scenario),
                columns, 6);
    for (size_t k = 0; lines && k < v.count; k++)
        if (variant_unlearns(&v.item[k]))
            line_rows(p, r, v.item[k].label, lines + TRACKS * k, TRACKS);
    table_end(p);
    const char *source = arena_format(r->arena, "trajectory.csv: scenario=%s, round=1, metric=accuracy; step 0 from results.csv: "
                                                "method=none", scenario);
    figure_end(p, source ? source : "");
}

static bool in_one_request(const Report *r, const char *scenario)
{
    Variants v = variants(r, scenario);
    for (size_t k = 0; k < v.count; k++)
        if (v.item[k].last > 1)
            return false;
    return summary_of(&r->trajectory, (RowFilter){ scenario, NULL, NULL, NULL, NULL, "accuracy", ANY, ANY }).n > 0;
}

void report_trajectories(Page *p, const Report *r)
{
    const char *scenario[40];
    size_t n = names(r, COLUMN_SCENARIO, scenario, 40), shown = 0;
    page_section(p, "trajectories", "Trajectories", "One point says little, because a method may pass through a good state and "
                                                    "leave it again. The model is therefore also asked during unlearning.");
    for (size_t k = 0; k < n; k++)
        if (in_one_request(r, scenario[k]) && ++shown)
            trajectory_figure(p, r, scenario[k]);
    if (!shown)
        page_say(p, "missing", "This run kept no snapshots between the first and the last (protocol.trajectory = 0 in the "
                               "config, or no trajectory.csv), so there is no curve to show.");
    page_section_end(p);
}

/* --- general ability against the accuracy on what is to be forgotten --- */

static const struct { const char *scenario, *class; } cost_scenarios[] = {
    { "finetuned", "s1" }, { "pretrained", "s2" }, { "known", "s3" }, { "finetuned20", "s4" },
};
enum { COST_SCENARIOS = sizeof cost_scenarios / sizeof *cost_scenarios };

static const char *cost_label(size_t g) { return scenario_find(cost_scenarios[g].scenario)->label; }

/* A line of general ability whose x is the accuracy on what is to be forgotten at the same step. */
static Line cost_line(const Report *r, size_t g, const char *method)
{
    const char *scenario = scenario_under(r, cost_scenarios[g].scenario, 0);         // the first of its stopping rules
    RowFilter filter = { scenario ? scenario : cost_scenarios[g].scenario, method, NULL, "general", "both", "accuracy", 1, ANY };
    Line general = line_of(r, cost_scenarios[g].class, cost_label(g), &r->trajectory, filter, "general", X_STEPS), forget;
    filter.split = "unlearn";
    forget = line_of(r, "", "", &r->trajectory, filter, "unlearn", X_STEPS);
    size_t n = 0;
    for (size_t k = 0; k < general.count; k++)
        for (size_t i = 0; i < forget.count; i++)
            if (forget.mark[i].x == general.mark[k].x) {
                general.mark[n] = (Mark){ forget.mark[i].s.mean, general.mark[k].s };
                n++;
                break;
            }
    general.count = n;
    return general;
}

static void cost_rows(Page *p, const Report *r, const char *method, const Line *lines)
{
    for (size_t g = 0; g < COST_SCENARIOS; g++) {
        const char *scenario = cost_scenarios[g].scenario, *name = scenario_under(r, scenario, 0);
        const char *rule = name ? rule_of(name, scenario) : NULL;
        for (size_t k = 0; k < lines[g].count; k++)
            table_row(p, (const char *[]){ method_label(method), lines[g].label, rule ? rule : "–", questions_sums(r, name ? name : ""),
                                           arena_format(r->arena, "%.1f", 100 * lines[g].mark[k].x),
                                           summary_text(lines[g].mark[k].s, r->arena) }, 6);
    }
}

void report_cost(Page *p, const Report *r)
{
    static const char *const columns[] = { "method", "knowledge", "stopping rule", "n, forget + retain + general", "forget, % ↓",
                                           "general, % ↑" };
    const char *method[40];
    size_t n = names(r, COLUMN_METHOD, method, 40);
    Line (*lines)[COST_SCENARIOS] = arena_array(r->arena, n + 1, sizeof *lines);
    size_t shown = 0;
    for (size_t k = 0; lines && k < n; k++)
        for (size_t g = 0; g < COST_SCENARIOS; g++) {
            lines[k][g] = cost_line(r, g, method[k]);
            shown += lines[k][g].count > 1;
        }
    if (!lines || !shown)
        return;
    page_section(p, "cost", "What forgetting costs", "The paper finds that forgetting pre-trained knowledge takes general "
                                                     "ability with it. This figure compares scenarios at the same degree of forgetting, "
                                                     "not at the same number of steps.");
    figure_begin(p, "General ability against the accuracy on what is to be forgotten",
                 "Each dot is a snapshot during unlearning, from the left, where everything is known, to the right, where it is "
                 "forgotten. Where a line stays high, forgetting costs nothing. Dots are means over the seeds.");
    for (size_t k = 0; k < n; k++) {
        if (!end_of(lines[k], COST_SCENARIOS))
            continue;
        panel_begin(p, method_label(method[k]), NULL, chart_width(), chart_height(),
                    "Lines show general ability in percent over the accuracy on what is to be forgotten, which falls to the "
                    "right.");
        chart_draw(p, (Axis){ 0, 1, "accuracy on forget, %", "general ability, %", false }, lines[k], COST_SCENARIOS,
                   r->arena);
        panel_end(p);
    }
    figure_numbers(p);
    table_begin(p, "Accuracy in percent, one row for each snapshot", columns, 6);
    for (size_t k = 0; k < n; k++)
        cost_rows(p, r, method[k], lines[k]);
    table_end(p);
    figure_end(p, "trajectory.csv: scenario=finetuned|pretrained|known|finetuned20, round=1, split=unlearn|general, "
                  "modality=both, metric=accuracy");
    page_section_end(p);
}

/* --- request after request --- */

static void round_lines(const Report *r, const Variant *v, Line out[TRACKS])
{
    static const struct { const char *class, *label, *split, *split_before; } track[TRACKS] = {
        { "fourth", "forget, so far", "so_far", "unlearn" }, { "plain", "forget, all", "unlearn", "unlearn" },
        { "retain", "retain", "retain", "retain" },
        { "general", "general", "general", "general" },
    };
    for (int k = 0; k < TRACKS; k++)
        out[k] = line_of(r, track[k].class, track[k].label, &r->results,
                         (RowFilter){ v->scenario, v->method, v->trainable, track[k].split, "both", "accuracy", ANY, ANY },
                         track[k].split_before, X_ROUNDS);
}

static void rounds_figure(Page *p, const Report *r, const char *scenario, const char *says)
{
    static const char *const columns[] = { "method", "request", "forget, so far, % ↓", "forget, all, % ↓",
                                           "retain, % ↑", "general, % ↑" };
    Variants v = variants(r, scenario);
    Line *lines = arena_array(r->arena, TRACKS * v.count + 1, sizeof *lines);
    figure_begin(p, scenario_label(r, scenario), says);
    for (size_t k = 0; lines && k < v.count; k++) {
        round_lines(r, &v.item[k], lines + TRACKS * k);
        double most = end_of(lines + TRACKS * k, TRACKS);
        if (!variant_unlearns(&v.item[k]) || most == 0)
            continue;
        panel_begin(p, v.item[k].label, NULL, chart_width(), chart_height(),
                    "Four lines show the accuracy in percent over the requests. The table below holds the numbers.");
        chart_draw(p, (Axis){ 0, most, "requests", "accuracy, %", true }, lines + TRACKS * k, TRACKS, r->arena);
        panel_end(p);
    }
    figure_numbers(p);
    table_begin(p, caption_of(r, "Accuracy in percent after each request, image and text questions together; mean and, in brackets, "
                                 "range over the seeds", scenario), columns, 6);
    for (size_t k = 0; lines && k < v.count; k++)
        if (variant_unlearns(&v.item[k]))
            line_rows(p, r, v.item[k].label, lines + TRACKS * k, TRACKS);
    table_end(p);
    const char *source = arena_format(r->arena, "results.csv: scenario=%s, metric=accuracy, modality=both, "
                                                "split=so_far|unlearn|retain|general, all rounds", scenario);
    figure_end(p, source ? source : "");
}

/* The accuracies of the scenarios "stress-N" after the last of their N requests. */
static Line stress_line(const Report *r, const char *method, const char *class, const char *label, const char *split)
{
    const char *scenario[100];
    size_t n = names(r, COLUMN_SCENARIO, scenario, 100);
    Line l = { class, label, arena_array(r->arena, 100, sizeof(Mark)), 0 };
    for (size_t k = 0; l.mark && k < n; k++) {
        int64_t requests;
        if (strncmp(scenario[k], "stress-", 7) != 0 || !decimal_to_int(scenario[k] + 7, &requests))
            continue;
        double x = (double)requests;
        Summary s = summary_of(&r->results, (RowFilter){ scenario[k], method, NULL, split, "both", "accuracy", requests, ANY });
        size_t i = l.count;
        if (!s.n)
            continue;
        for (; i > 0 && l.mark[i - 1].x > x; i--)
            l.mark[i] = l.mark[i - 1];
        l.mark[i] = (Mark){ x, s };
        l.count++;
    }
    return l;
}

static void stress_figure(Page *p, const Report *r)
{
    static const char *const columns[] = { "method", "requests", "forget, all, % ↓", "retain, % ↑", "general, % ↑" };
    const char *method[40];
    size_t n = names(r, COLUMN_METHOD, method, 40);
    Line (*lines)[3] = arena_array(r->arena, n + 1, sizeof *lines);
    const Scenario *s = scenario_find("stress");
    figure_begin(p, scenario_words(r, s, "The same @ in more and smaller requests"),
                 scenario_words(r, s, "The accuracy after the last request, by the number of requests into which the same @ are divided. "
                                      "This goes beyond the paper."));
    for (size_t k = 0; lines && k < n; k++) {
        lines[k][0] = stress_line(r, method[k], "plain", "forget, all", "unlearn");
        lines[k][1] = stress_line(r, method[k], "retain", "retain", "retain");
        lines[k][2] = stress_line(r, method[k], "general", "general", "general");
        double most = end_of(lines[k], 3);
        if (strcmp(method[k], "none") == 0 || strcmp(method[k], "retrain") == 0 || most == 0)
            continue;
        panel_begin(p, method_label(method[k]), NULL, chart_width(), chart_height(),
                    "Three lines show the accuracy in percent over the number of requests. The table below holds the numbers.");
        chart_draw(p, (Axis){ 0, most, "number of requests", "accuracy, %", true }, lines[k], 3, r->arena);
        panel_end(p);
    }
    figure_numbers(p);
    table_begin(p, "Accuracy in percent after the last request, image and text questions together; mean and, in brackets, range "
                   "over the seeds", columns, 5);
    for (size_t k = 0; lines && k < n; k++)
        line_rows(p, r, method_label(method[k]), lines[k], 3);
    table_end(p);
    figure_end(p, "results.csv: scenario=stress-N, round=N, metric=accuracy, modality=both, split=unlearn|retain|general");
}

void report_sequential(Page *p, const Report *r)
{
    const char *scenario[100];
    size_t n = names(r, COLUMN_SCENARIO, scenario, 100), stress = 0;
    for (size_t k = 0; k < n; k++)
        stress += strncmp(scenario[k], "stress-", 7) == 0;
    page_section(p, "sequential", "Request after request", "In practice, people ask to be forgotten one after another. A method "
                                                           "that works once may damage the model when it is repeated. The paper "
                                                           "finds that five requests of ten persons hurt far more than one of "
                                                           "fifty.");
    const char *name;
    for (size_t k = 0; (name = scenario_under(r, "sequential", k)); k++)
        rounds_figure(p, r, name, scenario_words(r, scenario_find("sequential"),
                                                 "The accuracy after each request: on the @ of all requests so far, on all @ to be "
                                                 "forgotten, on those to be retained, and on general ability. Image and text questions are "
                                                 "counted together. Where the seeds differ, their range is shaded."));
    if (!scenario_under(r, "sequential", 0))
        page_say(p, "missing", "This run has no rows of the scenario sequential, so its curves are missing (protocol.scenarios "
                               "in the config).");
    if (stress)
        stress_figure(p, r);
    page_section_end(p);
}
