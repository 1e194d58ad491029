/* SPDX-License-Identifier: MIT */
/* The formats of files with questions. The format of a file is recognised by its first line with text. Its name counts
 * only if it ends with .tsv. */
#ifndef PULSE_EVAL_FORMATS_SAMPLES_H
#define PULSE_EVAL_FORMATS_SAMPLES_H

#include "model/training/dataset.h"

typedef enum {
    SAMPLES_OWN,         // our own JSONL (model/training/sample.h)
    SAMPLES_MLLMU,       // MLLMU-Bench, converted: the first object has a key "ID"
    SAMPLES_MMBENCH,     // a table of MMBench: its first line is no JSON, and has tabs or the file is called *.tsv
    SAMPLES_CONVERSATIONS,   // LLaVA's training data: a JSON array, or lines whose objects have "conversations"
    SAMPLES_FORMATS
} SamplesFormat;

/* The format of the file, by its first line with text. Error: the file cannot be read, or is a table with commas. */
bool samples_format(SamplesFormat *out, const char *path, Error *e);
const char *samples_format_name(SamplesFormat f);
/* Reads the file by the reader of its format: dataset_read, mllmu_read, mmbench_read or conversations_read. Every
 * command that reads samples reads them here. */
bool samples_open(Dataset *out, const char *path, Arena *a, Error *e);
/* Like samples_open, but what cannot be read becomes sentences of the list (error_list.h). */
bool samples_open_some(Dataset *out, const char *path, ErrorList *errors, Arena *a, Error *e);

#endif
