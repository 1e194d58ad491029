/* SPDX-License-Identifier: MIT */
#include "ref/report/report.h"

#include <string.h>
#include "ref/report/figures.h"
#include "tensor/base/file.h"
#include "tensor/op.h"

static const char *listed(const Report *r, Column c, const char *(*label)(const char *))
{
    const char *name[100], *text = NULL;
    size_t n = names(r, c, name, 100);
    for (size_t k = 0; k < n; k++)
        if (c != COLUMN_METHOD || (strcmp(name[k], "none") != 0 && strcmp(name[k], "retrain") != 0))
            text = arena_format(r->arena, "%s%s%s", text ? text : "", text ? ", " : "", label ? label(name[k]) : name[k]);
    return text ? text : "none";
}

static const char *listed_seeds(const Report *r)
{
    uint64_t seed[20];
    const char *text = NULL;
    size_t n = seeds(r, seed, 20);
    for (size_t k = 0; k < n; k++)
        text = arena_format(r->arena, "%s%s%llu", text ? text : "", text ? ", " : "", (unsigned long long)seed[k]);
    return text ? text : "none";
}

static void fact(Page *p, const char *name, const char *value)
{
    fputs("<dt>", p->f);
    page_text(p->f, name);
    fputs("</dt><dd>", p->f);
    page_text(p->f, value ? value : "not known, because the run has no manifest.json that says it");
    fputs("</dd>\n", p->f);
}

static void head(Page *p, const Report *r, bool verdicts)
{
    fputs("<header>\n<h1>What a model forgets, and what it keeps</h1>\n", p->f);
    page_say(p, "kicker", "In the PULSE protocol, a model that reads images and text is made to forget some of what it knows. "
                          "Then it is asked about what it should forget, "
                          "about what it should retain, and about general ability, in image questions and in text questions.");
    fputs("<dl>\n", p->f);
    fact(p, "Program", r->version && r->spec ? arena_format(r->arena, "pulse-ref %s, spec %s", r->version, r->spec) : NULL);
    fact(p, "Scenarios", listed(r, COLUMN_SCENARIO, NULL));
    fact(p, "Methods", listed(r, COLUMN_METHOD, method_label));
    fact(p, "Seeds", listed_seeds(r));
    fact(p, "Config", r->config.hex[0] ? arena_format(r->arena, "sha256 %s", r->config.hex) : NULL);
    fact(p, "Chain of the results", r->chain ? arena_format(r->arena, "%s", r->chain) : NULL);
    fprintf(p->f, "</dl>\n<nav aria-label=\"Sections\">%s<a href=\"#comparison\">Comparison</a>"
                  "<a href=\"#methods\">Methods</a><a href=\"#gap\">Image and text</a>"
                  "<a href=\"#ablation\">Ablation</a><a href=\"#trajectories\">Trajectories</a><a href=\"#sequential\">Requests</a>"
                  "<a href=\"#attacks\">Attacks</a>%s<a href=\"#answers\">Answers</a></nav>\n</header>\n",
            verdicts ? "<a href=\"#verdicts\">Verdicts</a>" : "",
            report_has_findings(r) ? "<a href=\"#findings\">Findings</a>" : "");
}

/* Reads the world, if it is there. A run may be shown without a world, but a world that is there must be readable. */
static bool open_world(Report *r, Error *e)
{
    const char *path = r->world ? arena_format(r->arena, "%s/world.json", r->world) : NULL;
    return path && file_exists(path) ? world_read(&r->contents, r->world, r->arena, e) : !e->failed;
}

static bool body(FILE *f, const Report *r, Error *e)
{
    Page p = { f, 0, 0 };
    page_begin(&p, "PULSE: what a model forgets, and what it keeps");
    const bool verdicts = report_has_verdicts(r);                // asked once, so that the head links to the section if it is there
    head(&p, r, verdicts);
    if (verdicts && !report_verdicts(&p, r, e))
        return false;
    report_comparison(&p, r);
    report_methods(&p, r);
    report_gap(&p, r);
    report_ablation(&p, r);
    report_trajectories(&p, r);
    report_cost(&p, r);
    report_sequential(&p, r);
    report_attacks(&p, r);
    report_findings(&p, r);
    bool good = report_answers(&p, r, e);
    report_metrics(&p, r);
    page_end(&p);
    return good && !e->failed;
}

bool report_write(const char *dir, const char *world, Error *e)
{
    Arena arena = arena_make(e);
    Report r = { .dir = dir, .world = world, .arena = &arena };
    FileWriter w;
    const char *path = arena_format(&arena, "%s/report.html", dir);
    bool good = path && report_read(&r, e) && open_world(&r, e) && file_begin(&w, path, e);
    if (good && !(good = body(w.stream, &r, e)))
        file_drop(&w);
    good = good && file_finish(&w, e);
    arena_free(&arena);
    return good;
}
