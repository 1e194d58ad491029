/* SPDX-License-Identifier: MIT */
/* Svg: writes figures as text. The same calls write the same bytes: coordinates have one decimal, and nothing is
 * measured or random.
 *
 * Colours and fonts come from the style of the page, by class, so that one figure serves for light and dark. A
 * screen reader reads out `title` and `desc`. All text is escaped. */
#ifndef PULSE_REF_REPORT_SVG_H
#define PULSE_REF_REPORT_SVG_H

#include <stddef.h>
#include <stdio.h>

typedef struct { double x, y; } Point;

void svg_begin(FILE *f, const char *id, double width, double height, const char *title, const char *desc);
void svg_end(FILE *f);
void svg_rect(FILE *f, const char *class, double x, double y, double width, double height);
void svg_line(FILE *f, const char *class, double x1, double y1, double x2, double y2);
void svg_curve(FILE *f, const char *class, const Point *p, size_t n);        // an open line
void svg_area(FILE *f, const char *class, const Point *p, size_t n);         // a filled polygon
void svg_dot(FILE *f, const char *class, double x, double y, double radius);
/* anchor: "start", "middle" or "end". */
void svg_text(FILE *f, const char *class, double x, double y, const char *anchor, const char *text);

/* Writes text for HTML and SVG: markup is escaped, and each control character of ASCII, except the newline, and each
 * byte of broken UTF-8 becomes U+FFFD. */
void page_text(FILE *f, const char *text);

#endif
