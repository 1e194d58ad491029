/* SPDX-License-Identifier: MIT */
/* Log: log.jsonl of a training, a line a step. A training that goes on has the same log as one that never stopped. */
#ifndef PULSE_REF_CLI_LOG_H
#define PULSE_REF_CLI_LOG_H

#include <stdio.h>
#include "model/training/held_out.h"
#include "model/training/train.h"

/* A log that begins with what stood in it up to step `keep` (a line that was cut short is dropped); keep = 0: an empty one. */
bool log_open(const char *path, int64_t keep, FILE **log, Error *e);
/* One step as a line. */
void log_step(FILE *log, int64_t step, const StepStats *s);
/* How what is held out was answered after `step` steps, as a line: {"step": 100, "eval": {…}}. */
void log_held_out(FILE *log, int64_t step, const HeldOut *h);
/* How many of `of` answers were right after `step` steps, for n names, as a line; what is not measured is null:
 * {"step": 5, "probe": {"forget": {"right": 12, "of": 40}, "general": null}}. */
void log_probe(FILE *log, int64_t step, const char *const *name, const int64_t *right, const int64_t *of, size_t n);
/* Fails when a line could not be written. */
bool log_close(FILE *log, const char *path, Error *e);

#endif
