/* SPDX-License-Identifier: MIT */
/* Table: rows of words under named columns, for people or as JSON for programs. People see aligned columns, or a paragraph a row where
 * the table is wider than the terminal (than 120 columns where the output goes to a file or a pipe). */
#ifndef PULSE_REF_CLI_TABLE_H
#define PULSE_REF_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include "tensor/base/error.h"

/* cells: rows * n_columns texts, row by row; NULL is an empty cell, and null in JSON. A column whose name ends in [] holds words with a
 * blank between, and is an array in JSON. False when there are too many columns or the JSON could not be written. */
bool table_print(const char *const *columns, size_t n_columns, const char *const *cells, size_t rows, bool json, Error *e);

/* Prints the words of a text and a line feed. The text begins behind `indent` columns that are printed already; further lines are
 * indented by as many. No line is longer than the terminal, or than 120 columns where stdout is none, unless a single word is. */
void print_wrapped(const char *text, int indent);

#endif
