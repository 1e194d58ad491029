/* SPDX-License-Identifier: MIT */
/* Log: log.jsonl of a training, a line a step. A training that goes on has the same log as one that never stopped: each checkpoint
 * holds a LogMark, how far the log was written by then, and the log goes on from there. */
#ifndef PULSE_REF_CLI_LOG_H
#define PULSE_REF_CLI_LOG_H

#include <stdio.h>
#include "model/training/checkpoint.h"
#include "model/training/held_out.h"
#include "model/training/train.h"

/* Opens a log that goes on after its first mark->bytes bytes; NULL or 0 bytes begins an empty one. Error: these bytes are not there,
 * or were changed. */
bool log_open(const char *path, const LogMark *mark, FILE **log, Error *e);
/* Waits until all lines are on the disk, and tells the mark of what is written. Error: a line could not be written. */
bool log_mark(FILE *log, const char *path, LogMark *mark, Error *e);
/* One step as a line. */
void log_step(FILE *log, int64_t step, const StepStats *s);
/* Writes the metrics on the held-out samples after `step` steps as a line: {"step": 100, "eval": {…}}. */
void log_held_out(FILE *log, int64_t step, const HeldOut *h);
/* Writes how many of `of` answers were right after `step` steps, for n names, as a line; what is not measured is null:
 * {"step": 5, "probe": {"forget": {"right": 12, "of": 40}, "general": null}}. */
void log_probe(FILE *log, int64_t step, const char *const *name, const int64_t *right, const int64_t *of, size_t n);
/* Closes the log, all of whose lines have reached the disk. False: a line could not be written. */
bool log_close(FILE *log, const char *path, Error *e);

#endif
