/* SPDX-License-Identifier: MIT */
/* Table: rows of words under named columns, for people or as JSON for programs. People see aligned columns. Where the
 * table is wider than the terminal, or than 120 columns in a file or a pipe, they see a paragraph for each row. */
#ifndef PULSE_REF_CLI_TABLE_H
#define PULSE_REF_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include "tensor/base/error.h"

/* Prints a table. `cells` holds rows * n_columns texts, row by row; NULL is an empty cell, and null in JSON. A column
 * whose name ends in [] holds words with blanks between them, and is an array in JSON. False: there are too many
 * columns, or the JSON could not be written. */
bool table_print(const char *const *columns, size_t n_columns, const char *const *cells, size_t rows, bool json,
                 Error *e);

/* The same for people, in groups of rows. titles[k] is the heading above row k, or NULL where the row belongs to the
 * group before; the first row must have a heading. */
bool table_print_under(const char *const *titles, const char *const *columns, size_t n_columns, const char *const *cells, size_t rows,
                       Error *e);

/* Prints a text, wrapped between words, and a line feed. The caller has printed `indent` columns of the first line
 * already, and the further lines are indented by as many. No line is wider than the terminal, or than 120 columns where
 * stdout is not a terminal, unless a single word is wider. */
void print_wrapped(const char *text, int indent);

#endif
