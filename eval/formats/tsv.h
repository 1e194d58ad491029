/* SPDX-License-Identifier: MIT */
/* TSV: a table whose first line names its columns, as pandas writes it: cells parted by tabs; a cell that begins with a quotation mark
 * ends with one, may hold tabs and line ends, and doubles the marks in it. And base64, in which such tables carry pictures.
 *
 * Always: every row has a cell for each column; all is UTF-8. Fails: FILE:LINE and a sentence. */
#ifndef PULSE_EVAL_FORMATS_TSV_H
#define PULSE_EVAL_FORMATS_TSV_H

#include <stdint.h>
#include "tensor/base/arena.h"

typedef struct {
    const char *path, **column, **cell;      // cell[row * columns + column]
    size_t      columns, rows, *line;        // line: where a row begins
} Tsv;

bool   tsv_read(Tsv *out, const char *path, Arena *a, Error *e);
size_t tsv_column(const Tsv *t, const char *name);           // t->columns: there is none
/* RFC 4648 with its padding and nothing else; `out` has room for 3 bytes for every 4 characters. */
bool   base64_decode(const char *text, unsigned char *out, size_t *n);

#endif
