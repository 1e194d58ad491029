/* SPDX-License-Identifier: MIT */
#include <stdbool.h>
#include <string.h>
#include "ref/report/svg.h"

/* The number of bytes of the UTF-8 character at p; 0: no well-formed one begins there (RFC 3629, table of section
 * 4). */
static size_t utf8_length(const unsigned char *p)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;
    for (size_t k = 1; k < n; k++)
        if ((p[k] & 0xc0) != 0x80)
            return 0;
    bool bad = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90)
            || (p[0] == 0xf4 && p[1] > 0x8f);
    return bad ? 0 : n;
}

void page_text(FILE *f, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        size_t n = utf8_length(p);
        if (n == 0 || (*p < 0x20 && *p != '\n') || *p == 0x7f)
            fputs("\xef\xbf\xbd", f);
        else if (strchr("&<>\"'", *p))
            fputs(*p == '&' ? "&amp;" : *p == '<' ? "&lt;" : *p == '>' ? "&gt;" : *p == '"' ? "&quot;" : "&#39;", f);
        else
            fwrite(p, 1, n, f);
        p += n ? n : 1;
    }
}

/* The coordinate x, or 0 where x is not a number or is far outside every figure. */
static double within(double x) { return x > -1e6 && x < 1e6 ? x : 0; }

void svg_begin(FILE *f, const char *id, double width, double height, const char *title, const char *desc)
{
    fprintf(f, "<svg viewBox=\"0 0 %.1f %.1f\" role=\"img\" aria-labelledby=\"%s-t %s-d\"><title id=\"%s-t\">", width,
            height, id, id, id);
    page_text(f, title);
    fprintf(f, "</title><desc id=\"%s-d\">", id);
    page_text(f, desc);
    fputs("</desc>\n", f);
}

void svg_end(FILE *f) { fputs("</svg>\n", f); }

void svg_rect(FILE *f, const char *class, double x, double y, double width, double height)
{
    fprintf(f, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"1.5\"/>\n", class, within(x),
            within(y), within(width), within(height));
}

void svg_line(FILE *f, const char *class, double x1, double y1, double x2, double y2)
{
    fprintf(f, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, within(x1), within(y1),
            within(x2), within(y2));
}

static void points(FILE *f, const char *kind, const char *class, const Point *p, size_t n)
{
    fprintf(f, "<%s class=\"%s\" points=\"", kind, class);
    for (size_t k = 0; k < n; k++)
        fprintf(f, "%s%.1f,%.1f", k ? " " : "", within(p[k].x), within(p[k].y));
    fputs("\"/>\n", f);
}

void svg_curve(FILE *f, const char *class, const Point *p, size_t n) { points(f, "polyline", class, p, n); }
void svg_area(FILE *f, const char *class, const Point *p, size_t n) { points(f, "polygon", class, p, n); }

void svg_dot(FILE *f, const char *class, double x, double y, double radius)
{
    fprintf(f, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>\n", class, within(x), within(y), radius);
}

void svg_text(FILE *f, const char *class, double x, double y, const char *anchor, const char *text)
{
    fprintf(f, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", class, within(x), within(y), anchor);
    page_text(f, text);
    fputs("</text>\n", f);
}
