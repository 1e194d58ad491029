/* SPDX-License-Identifier: MIT */
/* Table: rows of words under named columns, for people or as JSON for programs. People see aligned columns, or a paragraph a row where
 * the table is wider than the terminal (than 120 columns where the output goes to a file or a pipe). */
#ifndef PULSE_REF_CLI_TABLE_H
#define PULSE_REF_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include "tensor/base/error.h"

/* A column named "inputs[]" holds a list of words: an array in JSON. */
/* cells: rows * n_columns texts, row by row; NULL is empty (null in JSON). False when JSON could not be made. */
bool table_print(const char *const *columns, size_t n_columns, const char *const *cells, size_t rows, bool json, Error *e);

/* The words of a text and a line feed; on a terminal no line is longer than it, where a word is not, and lines after the first are indented. */
void print_wrapped(const char *text, int indent);

#endif
