/* SPDX-License-Identifier: MIT */
#include "ref/report/page.h"
#include "ref/report/page_style.h"

static void element(Page *p, const char *tag, const char *class, const char *text)
{
    fprintf(p->f, "<%s%s%s%s>", tag, class ? " class=\"" : "", class ? class : "", class ? "\"" : "");
    page_text(p->f, text);
    fprintf(p->f, "</%s>\n", tag);
}

void page_begin(Page *p, const char *title)
{
    fputs("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" "
          "content=\"light dark\">\n<title>", p->f);
    page_text(p->f, title);
    fprintf(p->f, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<main>\n", page_style);
}

void page_end(Page *p) { fputs("</main>\n</body>\n</html>\n", p->f); }

void page_section(Page *p, const char *id, const char *title, const char *text)
{
    fprintf(p->f, "<section id=\"%s\">\n", id);
    element(p, "h2", NULL, title);
    if (text)
        element(p, "p", "lead", text);
}

void page_section_end(Page *p) { fputs("</section>\n", p->f); }
void page_say(Page *p, const char *class, const char *text) { element(p, "p", class, text); }

void figure_begin(Page *p, const char *title, const char *says)
{
    fprintf(p->f, "<figure id=\"figure-%d\">\n", ++p->figures);
    p->panels = 0;
    element(p, "h3", NULL, title);
    element(p, "figcaption", NULL, says);
    fputs("<div class=\"panels\">\n", p->f);
}

void panel_begin(Page *p, const char *title, const char *note, double width, double height, const char *desc)
{
    char id[64];
    snprintf(id, sizeof id, "figure-%d-%d", p->figures, ++p->panels);
    fputs("<div class=\"panel\">\n<h4>", p->f);
    page_text(p->f, title);
    if (note) {
        fputs(" <span>", p->f);
        page_text(p->f, note);
        fputs("</span>", p->f);
    }
    fputs("</h4>\n", p->f);
    svg_begin(p->f, id, width, height, title, desc);
}

void panel_end(Page *p)
{
    svg_end(p->f);
    fputs("</div>\n", p->f);
}

void figure_numbers(Page *p) { fputs("</div>\n<details><summary>Numbers</summary>\n", p->f); }

void figure_end(Page *p, const char *source)
{
    fputs("</details>\n<p class=\"source\">From ", p->f);
    page_text(p->f, source);
    fputs("</p>\n</figure>\n", p->f);
}

void table_begin(Page *p, const char *caption, const char *const *columns, size_t n)
{
    fputs("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"", p->f);
    page_text(p->f, caption);
    fputs("\"><table>\n<caption>", p->f);
    page_text(p->f, caption);
    fputs("</caption>\n<thead><tr>", p->f);
    for (size_t k = 0; k < n; k++) {
        fputs("<th scope=\"col\">", p->f);
        page_text(p->f, columns[k]);
        fputs("</th>", p->f);
    }
    fputs("</tr></thead>\n<tbody>\n", p->f);
}

void table_row(Page *p, const char *const *cells, size_t n)
{
    fputs("<tr>", p->f);
    for (size_t k = 0; k < n; k++) {
        fputs(k ? "<td>" : "<th scope=\"row\">", p->f);
        page_text(p->f, cells[k] ? cells[k] : "");
        fputs(k ? "</td>" : "</th>", p->f);
    }
    fputs("</tr>\n", p->f);
}

void table_group(Page *p, const char *title, size_t n)
{
    fprintf(p->f, "<tr class=\"group\"><th scope=\"rowgroup\" colspan=\"%zu\"><span>", n);
    page_text(p->f, title);
    fputs("</span></th></tr>\n", p->f);
}

void table_end(Page *p) { fputs("</tbody></table></div>\n", p->f); }
