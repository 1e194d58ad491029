/* SPDX-License-Identifier: MIT */
/* Bars: for each model one bar for image questions and one for text questions. Behind the two bars of a method, pale
 * bars show the accuracy before unlearning. The end of this file draws the gap between image and text. */
#include <string.h>
#include "ref/report/figures.h"

// sizes in pixels. LABEL: the room for the name of a model; PITCH: from one model to the next; FULL: the length of a
// bar of 100 %, which leaves 42 for the number at its end
enum { LABEL = 104, BAR = 9, PITCH = 33, TOP = 6, WIDTH = 360, FULL = WIDTH - LABEL - 42 };

static const char *const modalities[2] = { "image", "text" };
static const struct { const char *split, *title, *note; } splits[3] = {
    { "unlearn", "Forget", "lower is better" }, { "retain", "Retain", "higher is better" },
    { "general", "General ability", "higher is better" },
};

void figure_key(Page *p, const char *const (*key)[2], size_t n)
{
    fputs("</div>\n<ul class=\"key\">", p->f);
    for (size_t k = 0; k < n; k++) {
        fprintf(p->f, "<li><i class=\"%s\"></i>", key[k][0]);
        page_text(p->f, key[k][1]);
        fputs("</li>", p->f);
    }
    fputs("</ul>\n<div class=\"panels\">\n", p->f);
}

static double length(double share) { return share <= 0 ? 0 : share >= 1 ? FULL : share * FULL; }

static void bar(Page *p, const char *modality, double y, Summary now, Summary was, Arena *a)
{
    char class[32];
    snprintf(class, sizeof class, "was %s", modality);
    if (was.n)
        svg_rect(p->f, class, LABEL, y, length(was.mean), BAR);
    if (now.n) {
        snprintf(class, sizeof class, "bar %s", modality);
        svg_rect(p->f, class, LABEL, y, length(now.mean), BAR);
        if (now.least < now.most)
            svg_line(p->f, "range", LABEL + length(now.least), y + BAR / 2.0, LABEL + length(now.most), y + BAR / 2.0);
    }
    double end = length(now.n > 1 ? now.most : now.n ? now.mean : 0);
    const char *text = now.n ? arena_format(a, "%.1f", 100 * now.mean) : "no number";
    svg_text(p->f, "value", LABEL + end + 5, y + BAR - 0.5, "start", text ? text : "");
}

static void split_panel(Page *p, const Report *r, const Variants *v, int s)
{
    const char *desc = arena_format(r->arena, "Accuracy in percent on image questions and on text questions, a pair of bars for "
                                              "each of %zu models. The table below holds the numbers.", v->count);
    panel_begin(p, splits[s].title, splits[s].note, WIDTH, TOP + PITCH * (double)v->count, desc ? desc : "");
    svg_line(p->f, "base", LABEL, 0, LABEL, TOP + PITCH * (double)v->count - 6);
    for (size_t k = 0; k < v->count; k++) {
        double y = TOP + PITCH * (double)k;
        svg_text(p->f, "label", LABEL - 8, y + BAR + 5, "end", v->item[k].label);
        for (int m = 0; m < 2; m++) {
            Summary was = { .n = 0 }, now = summary_of(&r->results, variant_filter(&v->item[k], splits[s].split, modalities[m]));
            if (variant_unlearns(&v->item[k]) && variant_is(&v->item[0], "none"))
                was = summary_of(&r->results, variant_filter(&v->item[0], splits[s].split, modalities[m]));
            bar(p, modalities[m], y + m * (BAR + 2), now, was, r->arena);
        }
    }
    panel_end(p);
}

static void numbers(Page *p, const Report *r, const char *scenario, const Variants *v)
{
    static const char *const columns[] = { "model", "forget, image, % ↓", "forget, text, % ↓", "retain, image, % ↑",
                                           "retain, text, % ↑", "general, image, % ↑",
                                           "general, text, % ↑" };
    const char *caption = arena_format(r->arena, "Accuracy in percent; mean and, in brackets, range over the seeds. %s",
                                       questions_text(r, scenario));
    table_begin(p, caption ? caption : "", columns, 7);
    for (size_t k = 0; k < v->count; k++) {
        const char *cells[7] = { v->item[k].label };
        for (int c = 0; c < 6; c++)
            cells[1 + c] = summary_text(summary_of(&r->results, variant_filter(&v->item[k], splits[c / 2].split,
                                                                       modalities[c % 2])), r->arena);
        table_row(p, cells, 7);
    }
    table_end(p);
}

/* A sentence about the oracle, the model retrained without the forget set. A scenario of pre-trained knowledge has no
 * oracle and no sentence. Any other scenario may have been run without its oracle, and then the sentence says so. */
static const char *about_oracle(const Variants *v, const char *scenario)
{
    const Scenario *s = scenario_in(scenario);
    if (s && !scenario_has_oracle(s))
        return "";
    bool there = v->count && variant_is(&v->item[v->count - 1], "retrain");
    return there ? " Retrained is a model that never saw them." : " This run has no retrained model to compare with "
                                                                  "(protocol.oracle in the config).";
}

static void bars(Page *p, const Report *r, const char *scenario, const char *title, const char *says)
{
    static const char *const key[][2] = { { "image", "image questions" }, { "text", "text questions" } };
    Variants v = variants(r, scenario);
    const char *all = arena_format(r->arena, "%s%s", says, about_oracle(&v, scenario));
    figure_begin(p, title, all ? all : says);
    figure_key(p, key, 2);
    for (int s = 0; s < 3; s++)
        split_panel(p, r, &v, s);
    figure_numbers(p);
    numbers(p, r, scenario, &v);
    const char *source = arena_format(r->arena, "results.csv: scenario=%s, metric=accuracy, split=unlearn|retain|general, "
                                                "modality=image|text, last round of each method", scenario);
    figure_end(p, source ? source : "");
}

static void missing(Page *p, const Report *r, const char *scenario)
{
    const char *text = arena_format(r->arena, "This run has no rows of the scenario %s, so its figure is missing "
                                              "(protocol.scenarios in the config).", scenario);
    page_say(p, "missing", text ? text : "");
}

/* A figure for each stopping rule that the scenario was run under. If the run does not have the scenario, a sentence
 * says so where the scenario's record asks for it (report_missing); otherwise nothing is written. */
static void scenario_bars(Page *p, const Report *r, const Scenario *s)
{
    const char *name;
    for (size_t k = 0; (name = scenario_under(r, s->name, k)); k++)
        bars(p, r, name, scenario_label(r, name), scenario_words(r, s, s->caption));
    if (s->report_missing && !scenario_under(r, s->name, 0))
        missing(p, r, s->name);
}

void report_comparison(Page *p, const Report *r)
{
    page_section(p, "comparison", "Forget, retain, general ability", "This is PULSE's comparison. A good method empties the "
                                                                     "first panel and leaves the other two as they were, for "
                                                                     "image questions and for text questions.");
    for (size_t k = 0; k < scenarios_count; k++)
        if (scenarios[k].requests == REQUESTS_ONE)
            scenario_bars(p, r, &scenarios[k]);
    page_section_end(p);
}

void report_ablation(Page *p, const Report *r)
{
    page_section(p, "ablation", "Which part is trained",
                 "PULSE trains the language model alone (llm) or the projector as well (proj+llm). In the paper, gradient ascent "
                 "takes the accuracy on image questions from 78.0 % to 24.8 % (llm) or 9.6 % (proj+llm), on text questions from "
                 "76.8 % to 33.2 % or 35.2 %, and on MMBench from 75.1 % to 48.8 % or 71.1 %.");
    for (size_t k = 0; k < scenarios_count; k++)
        if (scenarios[k].requests == REQUESTS_ABLATION)
            scenario_bars(p, r, &scenarios[k]);
    page_section_end(p);
}

/* --- the gap between image and text --- */

/* The difference x of two shares in points: "+3.4", "−0.2", "0.0". */
static const char *signed_points(double x, Arena *a)
{
    double tenths = x * 1000 + (x < 0 ? -0.5 : 0.5);
    const char *text = arena_format(a, "%s%.1f", tenths >= 1 ? "+" : tenths <= -1 ? "−" : "", 100 * (x < 0 ? -x : x));
    return text ? text : "";
}

static void gap_row(Page *p, Summary image, Summary text, double y, Arena *a)
{
    const Summary *end[2] = { &image, &text };
    if (image.n && text.n)
        svg_line(p->f, "gap", LABEL + length(image.mean), y, LABEL + length(text.mean), y);
    for (int m = 0; m < 2; m++)
        if (end[m]->n)
            svg_dot(p->f, modalities[m], LABEL + length(end[m]->mean), y, 5.5);
    const char *value = !image.n || !text.n ? "no number" : signed_points(text.mean - image.mean, a);
    svg_text(p->f, "value", WIDTH - 2, y + 4, "end", value);
}

static void gap_panel(Page *p, const Report *r, const char *scenario)
{
    enum { ROW = 25 };
    Variants v = variants(r, scenario);
    double height = ROW * (double)v.count;
    panel_begin(p, scenario_label(r, scenario), NULL, WIDTH, height + 20,
                "A line for each model from the accuracy on image questions to the accuracy on text questions. The difference "
                "is written at the right.");
    for (int k = 0; k <= 2; k++) {
        static const char *const percent[] = { "0", "50", "100 %" };
        svg_line(p->f, "grid", LABEL + FULL * k / 2.0, 0, LABEL + FULL * k / 2.0, height);
        svg_text(p->f, "axis", LABEL + FULL * k / 2.0, height + 14, "middle", percent[k]);
    }
    for (size_t k = 0; k < v.count; k++) {
        double y = ROW * ((double)k + 0.5);
        svg_text(p->f, "label", LABEL - 8, y + 4, "end", v.item[k].label);
        gap_row(p, summary_of(&r->results, variant_filter(&v.item[k], "unlearn", "image")),
                summary_of(&r->results, variant_filter(&v.item[k], "unlearn", "text")), y, r->arena);
    }
    panel_end(p);
}

static void gap_numbers(Page *p, const Report *r, const char *const *scenario, size_t n)
{
    static const char *const columns[] = { "model", "image, % ↓", "text, % ↓", "text − image, points" };
    table_begin(p, "Accuracy in percent on what is to be forgotten; a difference of 0 is best", columns, 4);
    for (size_t i = 0; i < n; i++) {
        Variants v = variants(r, scenario[i]);
        table_group(p, caption_of(r, scenario_label(r, scenario[i]), scenario[i]), 4);
        for (size_t k = 0; k < v.count; k++) {
            Summary image = summary_of(&r->results, variant_filter(&v.item[k], "unlearn", "image")),
                   text = summary_of(&r->results, variant_filter(&v.item[k], "unlearn", "text"));
            const char *gap = image.n && text.n ? signed_points(text.mean - image.mean, r->arena) : "–";
            table_row(p, (const char *[]){ v.item[k].label, summary_text(image, r->arena),
                                           summary_text(text, r->arena), gap }, 4);
        }
    }
    table_end(p);
}

void report_gap(Page *p, const Report *r)
{
    static const char *const key[][2] = { { "image", "image questions" }, { "text", "text questions" } };
    const char *scenario[40];
    size_t n = names(r, COLUMN_SCENARIO, scenario, 40);
    page_section(p, "gap", "The gap between image and text", "Knowledge may be gone when a question shows the image and still be "
                                                             "there when it gives the name in text. PULSE asks in both "
                                                             "modalities.");
    if (n) {
        figure_begin(p, "Accuracy on what is to be forgotten, by modality",
                     "The farther apart the two dots of a line are, the more the forgetting depends on the modality of the "
                     "question. The number is the accuracy on text minus that on image questions, in points.");
        figure_key(p, key, 2);
        for (size_t k = 0; k < n; k++)
            gap_panel(p, r, scenario[k]);
        figure_numbers(p);
        gap_numbers(p, r, scenario, n);
        figure_end(p, "results.csv: metric=accuracy, split=unlearn, modality=image|text, last round of each method");
    } else {
        page_say(p, "missing", "This run has no rows at all, so nothing can be compared.");
    }
    page_section_end(p);
}
