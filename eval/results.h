/* SPDX-License-Identifier: MIT */
/* Results: the numbers of a run, in files that people and programs read.
 *
 * - answers.jsonl has one JSON object on each line, with everything that a Result holds. Floats are the shortest
 *   decimals that read back as the same bits.
 * - results.csv has the rows below, under a fixed header: the fields from scenario to seed, without epoch and step.
 * - results.jsonl has the same rows, with each value as a decimal and as a hexadecimal float, and with n, rule and
 *   better.
 * - trajectory.csv has the columns of results.csv, and the columns epoch and step.
 *
 * After a failure functions return false, or NULL, with a sentence in the error. */
#ifndef PULSE_EVAL_RESULTS_H
#define PULSE_EVAL_RESULTS_H

#include <stdio.h>
#include "eval/evaluate.h"
#include "tensor/base/json.h"

bool    answers_write(const char *path, const Result *r, size_t count, Error *e);
/* All answers of a file, in `a`. Errors begin with FILE:LINE. */
Result *answers_read(const char *path, size_t *count, Arena *a, Error *e);
/* The JSON object of one answer; brief: without the nll of each token. The caller owns it (json_decref). */
json_t *answer_object(const Result *r, bool brief);

typedef struct {
    const char *scenario, *method, *trainable, *split, *modality, *metric;
    int64_t round, epoch, step;          // round 0: before unlearning; epoch: the pass that the step belongs to, from 1
    double  value;
    int64_t count, total;                // total 0: the metric is not a ratio
    uint64_t seed;
    // only results.jsonl has these, where they are known
    int64_t n;                           // how many questions the value is measured on; 0: not known
    const char *rule;                    // the stopping rule; NULL: not known
    const char *better;                  // the best direction on this split: "up", "down" or a value; NULL: not known
} Row;

/* The names of splits and modalities in files. There are further splits: "so_far", "round1", "round2", …,
 * "general_reporting", and in `eval` the kinds of questions. */
extern const char *const row_splits[3];          // "unlearn", "retain", "general"
extern const char *const row_modalities[3];      // "image", "text", "both"

typedef struct {
    Row   *row;
    size_t count, capacity;
    Arena *arena;
} Rows;

/* Adds a copy of the row; its texts must outlive the rows. False: no memory, which the arena says. */
bool rows_add(Rows *r, Row row);
bool rows_write_csv(const Rows *r, const char *path, bool trajectory, Error *e);
bool rows_write_jsonl(const Rows *r, const char *path, Error *e);

#endif
