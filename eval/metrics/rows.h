/* SPDX-License-Identifier: MIT */
/* Rows: for membership.c and distance.c only. */
#ifndef PULSE_EVAL_METRICS_ROWS_H
#define PULSE_EVAL_METRICS_ROWS_H

#include "model/reuse/prefix.h"

/* The logits of the supervised tokens of some samples, one row for each token, [rows, vocabulary].
 * map->row_offsets says which rows belong to which sample. The tape's arena owns them. NULL: a failure; the
 * tape's error says which. */
Node *supervised_logits(const Model *m, Tape *t, const BatchSample *samples, size_t count, RowMap *map);

#endif
