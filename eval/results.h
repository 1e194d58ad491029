/* SPDX-License-Identifier: MIT */
/* Results: the numbers of a run, in files that people and programs read (CONTRACT 5).
 *
 * Answers: one JSON object a line, everything a Result holds; floats as shortest decimals, which read back as the same bits.
 * Rows: results.csv (header exactly as the contract), results.jsonl (the same, each value as decimal and as hex), and
 * trajectory.csv, which has epoch and step besides. */
#ifndef PULSE_EVAL_RESULTS_H
#define PULSE_EVAL_RESULTS_H

#include <stdio.h>
#include "eval/evaluate.h"
#include "tensor/base/json.h"

bool    answers_write(const char *path, const Result *r, size_t count, Error *e);
Result *answers_read(const char *path, size_t *count, Arena *a, Error *e);
/* The object of one answer, without its per-token lists when `brief`. Caller json_decref's. */
json_t *answer_object(const Result *r, bool brief);

typedef struct {
    const char *scenario, *method, *trainable, *split, *modality, *metric;
    int64_t round, epoch, step;          // epoch: the pass over the questions that the step belongs to, from 1
    double  value;
    int64_t count, total;                // total 0: the metric is no ratio
    int64_t n;                           // questions that it is measured on; 0: not known. In no file
    uint64_t seed;
} Row;

/* What `split` and `modality` of a row may say. */
extern const char *const row_splits[3];          // "unlearn", "retain", "general"
extern const char *const row_modalities[3];      // "image", "text", "both"

typedef struct {
    Row   *row;
    size_t count, room;
    Arena *arena;
} Rows;

bool rows_add(Rows *r, Row row);
bool rows_write_csv(const Rows *r, const char *path, bool trajectory, Error *e);
bool rows_write_jsonl(const Rows *r, const char *path, Error *e);

#endif
