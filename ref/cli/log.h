/* SPDX-License-Identifier: MIT */
/* Log: the file log.jsonl of a training. The functions here write three kinds of lines, each a JSON object: the numbers
 * of a step, the scores on held-out samples, and what probes measured. Commands add lines of their own. A training
 * that is resumed has the same log as one that never stopped: each checkpoint holds a LogMark, which says how far the
 * log was written by then, and the log goes on from there. */
#ifndef PULSE_REF_CLI_LOG_H
#define PULSE_REF_CLI_LOG_H

#include <stdio.h>
#include "model/training/checkpoint.h"
#include "model/training/held_out.h"
#include "model/training/train.h"

/* Opens a log, so that the next line follows its first mark->bytes bytes; what came after them is dropped. Where mark
 * is NULL or has 0 bytes, the log becomes empty. Error: these bytes are missing or were changed. */
bool log_open(const char *path, const LogMark *mark, FILE **log, Error *e);
/* Waits until all lines are on the disk, and sets *mark to the end of the log. Error: a line could not be written. */
bool log_mark(FILE *log, const char *path, LogMark *mark, Error *e);
/* Writes the numbers of one step as a line. */
void log_step(FILE *log, int64_t step, const StepStats *s);
/* Writes the metrics on the held-out samples after `step` steps as a line: {"step": 100, "eval": {…}}. */
void log_held_out(FILE *log, int64_t step, const HeldOut *h);
/* Writes as a line what n probes measured after `step` steps: name[k], how many answers were right, and how many
 * questions were asked. A probe that asked none is null:
 * {"step": 5, "probe": {"forget": {"right": 12, "of": 40}, "general": null}}. */
void log_probe(FILE *log, int64_t step, const char *const *name, const int64_t *right, const int64_t *asked, size_t n);
/* Waits until all lines are on the disk, and closes the log. False: a line could not be written. */
bool log_close(FILE *log, const char *path, Error *e);

#endif
