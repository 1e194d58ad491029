/* SPDX-License-Identifier: MIT */
/* Verdicts: what the registered study over several base models says about the paper's findings. The section comes
 * before anything of this run. */
#include "ref/report/figures.h"

#include <inttypes.h>
#include "tensor/base/file.h"

static void line(Page *p, const char *name, const char *value)
{
    fputs("<p><span class=\"role\">", p->f);
    page_text(p->f, name);
    fputs(":</span> ", p->f);
    page_text(p->f, value);
    fputs("</p>\n", p->f);
}

static void card(Page *p, const Verdict *v, const Registration *r, Arena *a)
{
    const Finding *f = v->finding;
    const char *numbers = verdict_numbers(&v->all, f, a), *title = arena_format(a, "%s: %s", f->name, f->says);
    fputs("<div class=\"card\">\n<h3>", p->f);
    page_text(p->f, title ? title : "");
    fprintf(p->f, "</h3>\n<p class=\"%s\">", v->all.kind == EVIDENCE_YES ? "right" : "verdict");
    page_text(p->f, verdict_words(v, r, a));
    fputs("</p>\n", p->f);
    if (*numbers) {
        line(p, "Mean and 95 % interval", numbers);
        for (size_t m = 0; m < r->methods; m++)
            line(p, method_label(r->method[m]), verdict_numbers(&v->method[m], f, a));
    }
    line(p, "Measured on", f->measured);
    line(p, "The paper", f->paper);
    fputs("</div>\n", p->f);
}

static const char *registration_path(const Report *r)
{
    return r->world ? arena_format(r->arena, "%s/../configs/prereg.ini", r->world) : NULL;
}

bool report_has_verdicts(const Report *r)
{
    const char *path = registration_path(r);
    return path && file_exists(path);
}

bool report_verdicts(Page *p, const Report *r, Error *e)
{
    Arena *a = r->arena;
    const char *prereg = registration_path(r), *folder = r->world ? arena_format(a, "%s/../findings", r->world) : NULL;
    if (!prereg || !folder)
        return !e->failed;
    Registration *registered = arena_alloc(a, sizeof *registered);
    Verdicts *v = arena_alloc(a, sizeof *v);
    if (!registered || !v || !registration_read(registered, prereg, a, e) || !verdicts_read(v, registered, folder, a, e))
        return false;
    page_section(p, "verdicts", "The verdicts", NULL);
    const char *lead = arena_format(a, "This is what the registered study says about the paper's findings. It compares %" PRId64 " base "
                                       "models, of which %zu are finished; none of them is the model of the run below. A verdict is about "
                                       "the mean over the methods. p is that of an exact sign-flip test over the bases; for single methods "
                                       "it is corrected after Holm.",
                                    registered->bases, v->finished);
    page_say(p, "lead", lead ? lead : "");
    fputs("<div class=\"cards\">\n", p->f);
    for (size_t k = 0; k < v->count; k++)
        card(p, &v->verdict[k], registered, a);
    fputs("</div>\n", p->f);
    const char *source = arena_format(a, "From contrasts.csv of the finished bases; registered: prereg.ini, sha256 %s",
                                      registered->digest.hex);
    page_say(p, "source", source ? source : "");
    report_bases(p, v, registered, a);
    page_section_end(p);
    return !e->failed;
}
