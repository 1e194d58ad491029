/* SPDX-License-Identifier: MIT */
/* Page: writes a self-contained HTML page.
 *
 * A figure has a heading, a text that says what it shows, panels side by side where there is room, its numbers as a
 * table, and the source of these numbers: a file, and the filter of its rows. Every text is escaped. The ids of
 * figures and panels are made of their numbers ("figure-2-1"), so the same calls write the same bytes. No function
 * fails: whoever closes the stream finds its errors. */
#ifndef PULSE_REF_REPORT_PAGE_H
#define PULSE_REF_REPORT_PAGE_H

#include <stdio.h>
#include "ref/report/svg.h"

typedef struct {
    FILE *f;
    int   figures, panels;
} Page;

void page_begin(Page *p, const char *title);
void page_end(Page *p);
void page_section(Page *p, const char *id, const char *title, const char *text);   // ended by page_section_end
void page_section_end(Page *p);
void page_say(Page *p, const char *class, const char *text);                       // a paragraph; class NULL: none

void figure_begin(Page *p, const char *title, const char *says);
/* note: small text beside the title; NULL: none. desc: what a screen reader says of the panel. */
void panel_begin(Page *p, const char *title, const char *note, double width, double height, const char *desc);
void panel_end(Page *p);
void figure_numbers(Page *p);                                     // ends the panels; the table of numbers follows
void figure_end(Page *p, const char *source);                     // ends the table too

void table_begin(Page *p, const char *caption, const char *const *columns, size_t n);    // scrolls inside its box
void table_row(Page *p, const char *const *cells, size_t n);      // the first cell names the row
// a title across all n columns, above the rows that it is about
void table_group(Page *p, const char *title, size_t n);
void table_end(Page *p);

#endif
