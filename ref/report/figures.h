/* SPDX-License-Identifier: MIT */
/* The sections of a report, in the order of the page, but report_metrics writes the last one.
 * A section whose numbers are missing says so or is left out. No section changes the Report. */
#ifndef PULSE_REF_REPORT_FIGURES_H
#define PULSE_REF_REPORT_FIGURES_H

#include "ref/report/page.h"
#include "eval/evidence/verdicts.h"
#include "ref/report/data.h"

/* The verdicts of the registered study. The files ../configs/prereg.ini and ../findings are found from the world's
 * folder. */
bool report_verdicts(Page *p, const Report *r, Error *e);
/* The values on each base, which the verdicts are made of: a figure, and a table. Nothing where no finding has a
 * value on two bases. */
void report_bases(Page *p, const Verdicts *v, const Registration *registered, Arena *a);
/* Whether the page has the section of the verdicts, or that of the findings. The top of the page links to those it
 * has. */
bool report_has_verdicts(const Report *r);
bool report_has_findings(const Report *r);
void report_comparison(Page *p, const Report *r);            // bars of finetuned, pretrained and their controls
void report_methods(Page *p, const Report *r);               // a table: forget, retain, general
void report_gap(Page *p, const Report *r);                   // image against text
void report_ablation(Page *p, const Report *r);
void report_trajectories(Page *p, const Report *r);          // accuracy over the steps
void report_cost(Page *p, const Report *r);                  // general ability against the accuracy on what is to be forgotten
void report_sequential(Page *p, const Report *r);            // accuracy after each request; many small requests
void report_attacks(Page *p, const Report *r);               // a table: attacks, membership, distance to the oracle
void report_findings(Page *p, const Report *r);              // tables: the paper's findings, by stopping rule and at equal forgetting
void report_metrics(Page *p, const Report *r);               // a table: the metrics that no figure shows
bool report_answers(Page *p, const Report *r, Error *e);     // images, questions and answers

/* The legend of a figure: n pairs of a class and a label. */
void figure_key(Page *p, const char *const (*key)[2], size_t n);

/* One line of a chart. The x of its marks need not be sorted. */
typedef struct { double x; Summary s; } Mark;
typedef struct {
    const char *class, *label;
    Mark  *mark;
    size_t count;
} Line;
typedef struct {
    double least, most;                  // of x
    const char *x_label, *y_label;
    // true: x is a whole number; false: x is a share, which is shown in percent and falls to the right
    bool ticks;
} Axis;
/* The distance between two ticks: 1, 2 or 5 times a power of ten from 1 on, and so large that the span is at most 6
 * distances. */
double tick_distance(double span);
double chart_height(void);
double chart_width(void);
void   chart_draw(Page *p, Axis axis, const Line *lines, size_t n, Arena *a);

#endif
