/* SPDX-License-Identifier: MIT */
/* TSV: a table whose first line names its columns, as pandas writes it. Tabs separate the cells. A cell that begins
 * with a quotation mark also ends with one. It may hold tabs and line ends, and a quotation mark inside it is written
 * twice. Such tables carry images in base64, so a decoder of base64 is here, too.
 *
 * Every row has a cell for each column, and everything is UTF-8. A byte order mark, carriage returns before line
 * ends, and rows without any text are skipped. Errors begin with FILE:LINE. */
#ifndef PULSE_EVAL_FORMATS_TSV_H
#define PULSE_EVAL_FORMATS_TSV_H

#include <stdint.h>
#include "tensor/base/error_list.h"

typedef struct {
    const char *path, **column, **cell;      // cell[row * columns + column], NUL-terminated
    size_t      columns, rows, *line;        // line[row]: the line on which the row begins
} Tsv;

/* Reads the table and its texts into `a`. With a list of errors, a row with too few or too many cells is left out, and
 * the list gets a sentence about it. Without one (NULL) such a row is an error. A quotation mark that is not closed is
 * an error in both cases. */
bool   tsv_read(Tsv *out, const char *path, ErrorList *errors, Arena *a, Error *e);
size_t tsv_column(const Tsv *t, const char *name);           // t->columns: there is no column of that name
/* Decodes base64 of RFC 4648, with padding and without white space. `out` must have room for 3 bytes for every 4
 * characters; *n is the number of bytes. False: the text is not base64. */
bool   base64_decode(const char *text, unsigned char *out, size_t *n);

#endif
