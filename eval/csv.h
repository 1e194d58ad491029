/* SPDX-License-Identifier: MIT */
/* Csv: reads a table with a known header, line by line. Fields are separated by commas and never quoted, because the
 * names in our tables hold neither commas nor quotation marks.
 *
 *     Csv t;
 *     for (bool good = csv_open(&t, path, "step,value", &a, &error); good && csv_next(&t);) … csv_text(&t, "value") …
 *
 * Errors begin with FILE:LINE. Texts live in the arena. */
#ifndef PULSE_EVAL_CSV_H
#define PULSE_EVAL_CSV_H

#include <stdint.h>
#include "tensor/base/arena.h"

enum { CSV_FIELDS = 16 };                // the most columns

typedef struct {
    const char *path, *header;
    size_t line, fields;
    size_t lines;                        // at least as many as the file has: an array of this size can hold its rows
    char *field[CSV_FIELDS], *at;        // the fields of the current line; the text that follows it
    Error *error;
} Csv;

/* Error: the file cannot be read, or its first line is not the header. */
bool csv_open(Csv *t, const char *path, const char *header, Arena *a, Error *e);
/* Reads the next line that is not empty. False: the table has ended, or there is an error: the line has too few or too
 * many fields, or a field is too long. */
bool csv_next(Csv *t);
/* The field of the current line in the column `name`; NULL: the table has no such column. */
char *csv_text(const Csv *t, const char *name);
/* The same field as a whole number, which must be 0 or more. *out is 0 if the table has no such column, or if the field
 * is empty and may_be_empty is set. */
bool csv_whole(const Csv *t, const char *name, bool may_be_empty, int64_t *out);
/* The same field as a number: NaN if the field is empty, NaN or infinite. The table must have the column. */
bool csv_number(const Csv *t, const char *name, double *out);

#endif
