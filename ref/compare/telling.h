/* SPDX-License-Identifier: MIT */
/* Telling: writes the result of a comparison to stdout, for people (the first 20 tensors that are not equal, and a
 * summary) or as JSON (all of them). `rows` are the `total` rows that compare_sides has made, and `counts` says how
 * many of them have each verdict. */
#ifndef PULSE_REF_COMPARE_TELLING_H
#define PULSE_REF_COMPARE_TELLING_H

#include "ref/compare/rows.h"

void rows_print_text(const Row *rows, size_t total, const size_t counts[VERDICTS]);
void rows_print_json(const Row *rows, size_t total, const size_t counts[VERDICTS]);

#endif
