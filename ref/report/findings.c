/* SPDX-License-Identifier: MIT */
/* Findings: the numbers that belong to the four findings of the paper, after the last request under each stopping
 * rule, and during unlearning at equal forgetting. */
#include <math.h>
#include <string.h>
#include "eval/stopping_rules.h"
#include "ref/report/figures.h"

static const struct { const char *title, *scenario[4]; } findings[] = {
    { "F1: fine-tuned knowledge goes and general ability stays", { "finetuned" } },
    { "F2: pre-trained knowledge takes general ability with it", { "pretrained", "known", "finetuned20" } },
    { "F3: requests one after another hurt more than one", { "finetuned", "sequential" } },
    { "F4: with the projector trained, image questions are forgotten more than text questions", { "ablation" } },
};
enum { FINDINGS = sizeof findings / sizeof *findings, SCENARIOS_EACH = 4, END_COLUMNS = 8 };

/* The name that a scenario under a stopping rule has in results.csv; NULL: the run did not use that rule for the
 * scenario. */
static const char *named(const Report *r, const char *scenario, const char *rule)
{
    const char *name;
    for (size_t k = 0; (name = scenario_under(r, scenario, k)); k++)
        if (strcmp(rule_of(name, scenario), rule) == 0)
            return name;
    return NULL;
}

/* The steps of all requests together: their sum for each seed, as a range over the seeds. */
static const char *steps_text(const Report *r, const Variant *v)
{
    uint64_t seed[100];
    size_t n = seeds(r, seed, 100), found = 0;
    double least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        bool any = false;
        for (size_t k = 0; k < r->results.count; k++) {
            const ReportRow *x = &r->results.row[k];
            if (x->seed != seed[i] || strcmp(x->metric, "steps") != 0 || strcmp(x->scenario, v->scenario) != 0
                || strcmp(x->method, v->method) != 0 || strcmp(x->trainable, v->trainable) != 0 || !isfinite(x->value))
                continue;
            sum += x->value;
            any = true;
        }
        found += any;
        least = any && sum < least ? sum : least;
        most = any && sum > most ? sum : most;
    }
    const char *text = !found        ? "–"
                     : least == most ? arena_format(r->arena, "%.0f", least)
                                     : arena_format(r->arena, "%.0f–%.0f", least, most);
    return text ? text : "";
}

static const char *kept_text(const Report *r, const Variant *v, const char *split)
{
    RowFilter filter = variant_filter(v, split, "both");
    filter.metric = "retention";
    return summary_text(summary_of(&r->results, filter), r->arena);
}

/* Writes the rows of a finding under a stopping rule, or none if only_ask. Returns whether there is anything to show;
 * the scenario of F1 does not count for another finding, because F1 shows it already. */
static bool rule_rows(Page *p, const Report *r, size_t finding, const char *rule, bool only_ask)
{
    bool any = false;
    for (int s = 0; s < SCENARIOS_EACH && findings[finding].scenario[s]; s++) {
        const char *name = named(r, findings[finding].scenario[s], rule);
        Variants all = name ? variants(r, name) : (Variants){ NULL, 0 };
        for (size_t k = 0; k < all.count; k++) {
            const Variant *v = &all.item[k];
            if (!variant_unlearns(v))
                continue;
            any = any || finding == 0 || strcmp(findings[finding].scenario[s], findings[0].scenario[0]) != 0;
            if (!only_ask)
                table_row(p,
                          (const char *[]){ findings[finding].scenario[s], v->label, steps_text(r, v), questions_sums(r, name),
                                            summary_text(summary_of(&r->results, variant_filter(v, "unlearn", "image")), r->arena),
                                            summary_text(summary_of(&r->results, variant_filter(v, "unlearn", "text")), r->arena),
                                            kept_text(r, v, "retain"), kept_text(r, v, "general") },
                          END_COLUMNS);
        }
    }
    return any;
}

static void at_the_end(Page *p, const Report *r)
{
    static const char *const columns[] = { "scenario", "method", "steps in all", "n, forget + retain + general",
                                           "forget, image, % ↓", "forget, text, % ↓",
                                           "retain, % of before ↑", "general, % of before ↑" };
    fputs("<figure>\n", p->f);
    table_begin(p, "After the last request, in percent; mean and, in brackets, range over the seeds", columns,
                END_COLUMNS);
    for (size_t f = 0; f < FINDINGS; f++)
        for (StoppingRule rule = 0; rule < STOPPING_RULES; rule++) {
            if (!rule_rows(p, r, f, stopping_rules[rule].name, true))
                continue;
            const char *title = arena_format(r->arena, "%s (stopping rule %s)", findings[f].title,
                                             stopping_rules[rule].name);
            table_group(p, title ? title : "", END_COLUMNS);
            rule_rows(p, r, f, stopping_rules[rule].name, false);
        }
    table_end(p);
    fputs("<p class=\"source\">From results.csv: metric=accuracy (split=unlearn), retention (split=retain|general, "
          "modality=both) and steps, last round; the stopping rules: pulse-ref list rules</p>\n</figure>\n", p->f);
}

/* --- at equal forgetting --- */

// forget: the row with the accuracy on what is to be forgotten (NULL: there is none); distance: from this accuracy to
// the level that was asked for; general: general ability, divided by general ability before unlearning
typedef struct { const ReportRow *forget; double general, distance; } State;

static double value_at(const Report *r, const ReportRow *at, const char *split)
{
    for (size_t k = 0; k < r->trajectory.count; k++) {
        const ReportRow *x = &r->trajectory.row[k];
        if (x->seed == at->seed && x->round == at->round && x->step == at->step && strcmp(x->metric, "accuracy") == 0
            && strcmp(x->split, split) == 0 && strcmp(x->modality, "both") == 0 && strcmp(x->scenario, at->scenario) == 0
            && strcmp(x->method, at->method) == 0 && strcmp(x->trainable, at->trainable) == 0)
            return x->value;
    }
    return NAN;
}

static double general_before(const Report *r, const ReportRow *at)
{
    for (size_t k = 0; k < r->results.count; k++) {
        const ReportRow *x = &r->results.row[k];
        if (x->seed == at->seed && strcmp(x->method, "none") == 0 && strcmp(x->metric, "accuracy") == 0 && strcmp(x->split, "general") == 0
            && strcmp(x->modality, "both") == 0 && strcmp(x->scenario, at->scenario) == 0)
            return x->value;
    }
    return NAN;
}

/* The snapshot of a scenario, under any stopping rule, whose accuracy on all that is to be forgotten is nearest to
 * `level` (0.5 for 50 %). If several are equally near, the first of trajectory.csv. */
static State nearest(const Report *r, const char *scenario, const char *method, uint64_t seed, double level)
{
    State best = { NULL, NAN, INFINITY };
    for (size_t k = 0; k < r->trajectory.count; k++) {
        const ReportRow *x = &r->trajectory.row[k];
        if (x->seed != seed || strcmp(x->metric, "accuracy") != 0 || strcmp(x->split, "unlearn") != 0 || strcmp(x->modality, "both") != 0
            || !isfinite(x->value) || strcmp(x->method, method) != 0 || !rule_of(x->scenario, scenario))
            continue;
        const double distance = fabs(x->value - level);
        if (distance < best.distance)
            best = (State){ x, NAN, distance };
    }
    if (best.forget)
        best.general = value_at(r, best.forget, "general") / general_before(r, best.forget);
    return best;
}

/* A snapshot is at a level if its accuracy is no further away from the level than this (10 points). */
static const double near_enough = 0.1;

static void level_row(Page *p, const Report *r, const char *scenario, const char *method, double level)
{
    uint64_t seed[20];
    size_t n = seeds(r, seed, 20);
    const char *states = "";
    Summary kept = { .n = 0 };
    for (size_t k = 0; k < n; k++) {
        State at = nearest(r, scenario, method, seed[k], level);
        if (!at.forget || at.distance > near_enough || !isfinite(at.general))
            continue;
        const char *rule = rule_of(at.forget->scenario, scenario);
        states = arena_format(r->arena, "%s%sseed %llu: %s, request %lld, step %lld, forget %.1f, general %.1f", states,
                              *states ? "; " : "", (unsigned long long)seed[k], rule, (long long)at.forget->round,
                              (long long)at.forget->step, 100 * at.forget->value, 100 * at.general);
        if (!states)
            return;
        kept.least = !kept.n || at.general < kept.least ? at.general : kept.least;
        kept.most = !kept.n || at.general > kept.most ? at.general : kept.most;
        kept.mean += (at.general - kept.mean) / (double)++kept.n;
    }
    const char *any_rule = scenario_under(r, scenario, 0);
    if (kept.n)
        table_row(p, (const char *[]){ scenario, questions_sums(r, any_rule ? any_rule : scenario),
                                       arena_format(r->arena, "%.0f", 100 * level), summary_text(kept, r->arena), states }, 5);
}

static void at_equal_forgetting(Page *p, const Report *r)
{
    static const char *const columns[] = { "scenario", "n, forget + retain + general", "forget, about, %",
                                           "general, % of before ↑", "snapshots" };
    static const char *const scenario[] = { "finetuned", "sequential", "pretrained", "known", "finetuned20" };
    static const double level[] = { 0.75, 0.5, 0.35, 0.2, 0.05 };
    const char *method[40];
    size_t n = names(r, COLUMN_METHOD, method, 40);
    fputs("<figure>\n<details><summary>At equal forgetting: general ability at the snapshots nearest to a level of accuracy on "
          "what is to be forgotten</summary>\n", p->f);
    table_begin(p, "During unlearning, in percent; mean and, in brackets, range over the seeds", columns, 5);
    for (size_t m = 0; m < n; m++) {
        if (strcmp(method[m], "none") == 0 || strcmp(method[m], "retrain") == 0)
            continue;
        table_group(p, method_label(method[m]), 5);
        for (size_t l = 0; l < sizeof level / sizeof *level; l++)
            for (size_t s = 0; s < sizeof scenario / sizeof *scenario; s++)
                level_row(p, r, scenario[s], method[m], level[l]);
    }
    table_end(p);
    fputs("</details>\n<p class=\"source\">From trajectory.csv: metric=accuracy, modality=both, split=unlearn|general; general "
          "ability before: results.csv, method=none</p>\n</figure>\n", p->f);
}

bool report_has_findings(const Report *r)
{
    for (size_t f = 0; f < FINDINGS; f++)
        for (StoppingRule rule = 0; rule < STOPPING_RULES; rule++)
            if (rule_rows(NULL, r, f, stopping_rules[rule].name, true))
                return true;
    return false;
}

void report_findings(Page *p, const Report *r)
{
    if (!report_has_findings(r))
        return;
    page_section(p, "findings", "The paper's findings",
                 "Whether a finding holds depends on the stopping rule. Budget: the config gives the scenario a number of optimiser steps, "
                 "which its requests share equally, or gives each request a number of epochs. Updates: each request takes "
                 "as many steps as finetuned takes in all. Epochs: each request takes as many epochs of its questions as finetuned "
                 "does. Accuracy: each request ends when its accuracy is low enough.");
    page_say(p, "lead", "Forget is the accuracy on what is to be forgotten. Retain and general are the accuracy in percent of "
                        "that before unlearning; more than 100 means that more answers are right than before. The values at equal "
                        "forgetting are not interpolated: they are those of the recorded snapshots that come nearest to a level, at "
                        "most 10 points from it, under any of the stopping rules.");
    at_the_end(p, r);
    if (r->trajectory.count)
        at_equal_forgetting(p, r);
    page_section_end(p);
}
