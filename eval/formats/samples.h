/* SPDX-License-Identifier: MIT */
/* The formats of files with questions, told apart by what is in them, not by their names. */
#ifndef PULSE_EVAL_FORMATS_SAMPLES_H
#define PULSE_EVAL_FORMATS_SAMPLES_H

#include "model/training/dataset.h"

typedef enum {
    SAMPLES_OWN,         // our own JSONL (model/training/sample.h)
    SAMPLES_MLLMU,       // MLLMU-Bench, converted: its first object has an "ID", wherever that key stands in it
    SAMPLES_MMBENCH,     // a table of MMBench: its first line has tabs and is no JSON
} SamplesFormat;

/* The format of the file, by its first line with text. Fails where the file cannot be read, or is a JSON array. */
bool samples_format(SamplesFormat *out, const char *path, Error *e);
/* Reads the file by the reader of its format: dataset_read, mllmu_read or mmbench_read. */
bool samples_open(Dataset *out, const char *path, Arena *a, Error *e);

#endif
