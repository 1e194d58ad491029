/* SPDX-License-Identifier: MIT */
/* Rows: the rows of logits that membership.c and distance.c need. No other file uses this one. */
#ifndef PULSE_EVAL_METRICS_ROWS_H
#define PULSE_EVAL_METRICS_ROWS_H

#include "model/reuse/prefix.h"

/* The logits of the supervised tokens of some samples, one row for each token, [rows, vocabulary].
 * map->row_offsets says which rows belong to which sample. The tape's arena owns logits and offsets. NULL: a failure;
 * the tape's error says which. */
Node *supervised_logits(const Model *m, Tape *t, const BatchSample *samples, size_t count, RowMap *map);

#endif
