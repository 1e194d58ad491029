/* SPDX-License-Identifier: MIT */
/* Tables: the methods at a glance, and all metrics except accuracy and retention. */
#include <string.h>
#include "eval/metrics/metric.h"
#include "ref/report/figures.h"

/* Retention as text: the mean of the metric `retention` or, where the run has no such rows, the accuracy after
 * unlearning divided by the accuracy before. */
static const char *kept(const Report *r, const Variant *v, const Variant *before, const char *split,
                        const char *modality)
{
    RowFilter filter = variant_filter(v, split, modality);
    filter.metric = "retention";
    Summary s = summary_of(&r->results, filter);
    if (s.n == 0 && before) {
        Summary now = summary_of(&r->results, variant_filter(v, split, modality)),
            was = summary_of(&r->results, variant_filter(before, split, modality));
        if (now.n && was.n && was.mean > 0)
            s = (Summary){ 1, now.mean / was.mean, now.mean / was.mean, now.mean / was.mean, 0 };
    }
    return summary_text(s, r->arena);
}

static void method_rows(Page *p, const Report *r, const char *scenario)
{
    Variants all = variants(r, scenario);
    const Variant *before = all.count && variant_is(&all.item[0], "none") ? &all.item[0] : NULL;
    const char *n = questions_text(r, scenario), *title = arena_format(r->arena, "%s%s%s", scenario_label(r, scenario), *n ? "; " : "", n);
    table_group(p, title ? title : "", 7);
    for (size_t k = 0; k < all.count; k++) {
        const Variant *v = &all.item[k];
        const char *cells[7] = { v->label, summary_text(summary_of(&r->results, variant_filter(v, "unlearn", "image")), r->arena),
                                 summary_text(summary_of(&r->results, variant_filter(v, "unlearn", "text")), r->arena) };
        static const char *const what[4][2] = { { "retain", "image" }, { "retain", "text" }, { "general", "image" },
                                                { "general", "text" } };
        for (int c = 0; c < 4; c++)
            cells[3 + c] = before == v ? "100.0" : kept(r, v, before, what[c][0], what[c][1]);
        table_row(p, cells, 7);
    }
}

void report_methods(Page *p, const Report *r)
{
    static const char *const columns[] = { "model", "forget, image, % ↓", "forget, text, % ↓", "retain, image, % of before ↑",
                                           "retain, text, % of before ↑",
                                           "general, image, % of before ↑", "general, text, % of before ↑" };
    const char *scenario[100];
    size_t n = names(r, COLUMN_SCENARIO, scenario, 100);
    page_section(p, "methods", "The methods at a glance",
                 "Forget: the accuracy on what is to be forgotten; lower is better. Retain and general: the accuracy after "
                 "unlearning in percent of the accuracy before; higher is better, and more than 100 means that more answers are "
                 "right than before. All values are taken after the last request. A value is the mean over the seeds, with their "
                 "range in brackets; n counts questions.");
    if (n == 0)
        page_say(p, "missing", "results.csv has no rows: nothing was measured yet.");
    if (n) {
        fputs("<figure>\n", p->f);
        table_begin(p, "In percent", columns, 7);
        for (size_t k = 0; k < n; k++)
            method_rows(p, r, scenario[k]);
        table_end(p);
        fputs("<p class=\"source\">From results.csv: metric=accuracy (split=unlearn) and metric=retention "
              "(split=retain|general), last round of each method</p>\n</figure>\n", p->f);
    }
    page_section_end(p);
}

/* --- all other metrics --- */

/* The rows of a variant after its last round. */
static ReportRows slice(const ReportRows *rows, const Variant *v, Arena *a)
{
    ReportRows out = { arena_array(a, rows->count + 1, sizeof *out.row), 0 };
    for (size_t k = 0; out.row && k < rows->count; k++) {
        const ReportRow *x = &rows->row[k];
        if (x->round == v->last && strcmp(x->scenario, v->scenario) == 0 && strcmp(x->method, v->method) == 0
            && strcmp(x->trainable, v->trainable) == 0)
            out.row[out.count++] = *x;
    }
    return out;
}

static const char *plain(Summary s, Arena *a)
{
    const char *text = s.n == 0 ? "–" : s.n == 1 || s.least == s.most ? arena_format(a, "%.4g", s.mean)
        : arena_format(a, "%.4g (%.4g–%.4g)", s.mean, s.least, s.most);
    return text ? text : "";
}

static bool drawn(const char *metric) { return strcmp(metric, "accuracy") == 0 || strcmp(metric, "retention") == 0; }

/* On how many questions a metric is measured: as many as its own rows say. If they do not say it, a metric of
 * metrics.def is measured on as many as the accuracy, unless its name begins with a text of measured_elsewhere. "–":
 * not known. */
static const char *questions_cell(const ReportRows *rows, const char *metric, const char *split, Arena *a)
{
    static const char *const measured_elsewhere[] = { "mia_", "privleak", "oracle_weights", "oracle_logits", "oracle_divergence",
                                                      "model_utility", "steps" };
    int64_t n = summary_of(rows, (RowFilter){ NULL, NULL, NULL, split, "both", metric, ANY, ANY }).questions;
    bool of_accuracy = n == 0 && metric_find(metric);
    for (size_t k = 0; k < sizeof measured_elsewhere / sizeof *measured_elsewhere; k++)
        of_accuracy = of_accuracy && strncmp(metric, measured_elsewhere[k], strlen(measured_elsewhere[k])) != 0;
    if (of_accuracy)
        n = summary_of(rows, (RowFilter){ NULL, NULL, NULL, split, "both", "accuracy", ANY, ANY }).questions;
    const char *text = n ? arena_format(a, "%lld", (long long)n) : "–";
    return text ? text : "";
}

enum { METRIC_COLUMNS = 10 };

static void metric_rows(Page *p, const Report *r, const Variant *v, const char *const *metric, size_t n)
{
    static const char *const splits[] = { "unlearn", "retain", "general" },
        *const labels[] = { "forget", "retain", "general" },
                             *const modalities[] = { "image", "text", "both" };
    ArenaMark mark = arena_mark(r->arena);
    ReportRows variant_rows = slice(&r->results, v, r->arena);
    for (size_t m = 0; m < n; m++)
        for (int s = 0; s < 3 && !drawn(metric[m]); s++) {
            const Metric *known = metric_find(metric[m]);
            const char *cells[METRIC_COLUMNS] = { v->scenario, v->label, metric[m], known ? known->range : "–", labels[s],
                                                  known ? metric_better(known, splits[s]) : "–" };
            size_t found = 0;
            for (int c = 0; c < 3; c++) {
                Summary x = summary_of(&variant_rows, (RowFilter){ NULL, NULL, NULL, splits[s], modalities[c], metric[m], ANY, ANY });
                found += x.n;
                cells[6 + c] = plain(x, r->arena);
            }
            cells[9] = questions_cell(&variant_rows, metric[m], splits[s], r->arena);
            if (found)
                table_row(p, cells, METRIC_COLUMNS);
        }
    arena_release(r->arena, mark);
}

void report_metrics(Page *p, const Report *r)
{
    static const char *const columns[] = { "scenario", "model", "metric", "range", "split", "better", "image", "text",
                                           "both", "n" };
    const char *scenario[100], *metric[200];
    size_t n = names(r, COLUMN_SCENARIO, scenario, 100), m = names(r, COLUMN_METRIC, metric, 200), others = 0;
    for (size_t k = 0; k < m; k++)
        others += !drawn(metric[k]);
    if (!others)
        return;
    page_section(p, "metrics", "All other metrics", "No figure shows these metrics. pulse-ref list metrics has their formulas. "
                                                    "The column \"better\" says which direction is better on the split, or which value is "
                                                    "best; n counts the questions of both modalities.");
    const char *title = arena_format(r->arena, "%zu more metrics, after the last request", others);
    fputs("<figure>\n<details><summary>", p->f);
    page_text(p->f, title ? title : "");
    fputs("</summary>\n", p->f);
    table_begin(p, "Values to four digits; mean and, in brackets, range over the seeds", columns, METRIC_COLUMNS);
    for (size_t k = 0; k < n; k++) {
        Variants all = variants(r, scenario[k]);
        for (size_t i = 0; i < all.count; i++)
            metric_rows(p, r, &all.item[i], metric, m);
    }
    table_end(p);
    fputs("</details>\n<p class=\"source\">From results.csv: split=unlearn|retain|general, last round of each "
          "method</p>\n</figure>\n", p->f);
    page_section_end(p);
}
