/* SPDX-License-Identifier: MIT */
/* Csv: reads a table whose header is known, line by line. Fields are separated by commas and never quoted: the names in our tables hold
 * neither commas nor quotation marks.
 *
 *     Csv t;
 *     for (bool good = csv_open(&t, path, "step,value", &arena, &error); good && csv_next(&t);) … csv_text(&t, "value") …
 *
 * Errors begin with FILE:LINE. Texts live in the arena. */
#ifndef PULSE_EVAL_CSV_H
#define PULSE_EVAL_CSV_H

#include <stdint.h>
#include "tensor/base/arena.h"

enum { CSV_FIELDS = 16 };

typedef struct {
    const char *path, *header;
    size_t line, fields;
    size_t lines;                        // of the file, at most: room for its rows
    char *field[CSV_FIELDS], *at;
    Error *error;
} Csv;

/* Error: the file cannot be read, or its first line is not the header. */
bool csv_open(Csv *t, const char *path, const char *header, Arena *a, Error *e);
/* Reads the next line that is not empty. False at the end, and where it has another number of fields or one that is too long. */
bool csv_next(Csv *t);
/* The field below the column `name` of the header; NULL: the table has no such column. */
char *csv_text(const Csv *t, const char *name);
/* The same as a whole number from 0 on, and as a number, which is NaN where the field is empty, NaN or infinite. An empty field is 0 where
 * it may be empty, and where there is no such column. */
bool csv_whole(const Csv *t, const char *name, bool may_be_empty, int64_t *out);
bool csv_number(const Csv *t, const char *name, double *out);

#endif
