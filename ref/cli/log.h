/* SPDX-License-Identifier: MIT */
/* Log: log.jsonl of a training, with one line for each step. A resumed training has the same log as one that never stopped. */
#ifndef PULSE_REF_CLI_LOG_H
#define PULSE_REF_CLI_LOG_H

#include <stdio.h>
#include "model/training/held_out.h"
#include "model/training/train.h"

/* Opens a log, of which the lines up to step `keep` are kept; a line that was cut short is dropped. keep = 0 begins an empty log. */
bool log_open(const char *path, int64_t keep, FILE **log, Error *e);
/* Writes one step as a line. */
void log_step(FILE *log, int64_t step, const StepStats *s);
/* Writes the metrics on the held-out samples after `step` steps as a line: {"step": 100, "eval": {…}}. */
void log_held_out(FILE *log, int64_t step, const HeldOut *h);
/* Writes how many of `of` answers were right after `step` steps, for n names, as a line; what is not measured is null:
 * {"step": 5, "probe": {"forget": {"right": 12, "of": 40}, "general": null}}. */
void log_probe(FILE *log, int64_t step, const char *const *name, const int64_t *right, const int64_t *of, size_t n);
/* Closes the log. False: a line could not be written. */
bool log_close(FILE *log, const char *path, Error *e);

#endif
