/* SPDX-License-Identifier: MIT */
/* A fuzz target: one parser, and valid files to start from.
 *
 * A target accepts an input or gives an error, never both; fuzz_parsers.c checks this for every input. A target
 * keeps nothing of an input, so that no run depends on another. If the input carries a checksum, the target may correct
 * it, so that a changed input reaches the code after the check: fuzz_targets.def says where. */
#ifndef PULSE_TESTS_FUZZ_FUZZ_H
#define PULSE_TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include "model/config.h"
#include "tensor/base/arena.h"

typedef struct { const uint8_t *data; size_t size; Arena *arena; Error *error; } Input;

typedef struct {
    const char *name;
    bool (*parse)(const Input *in);
    // writes valid files into the folder; NULL if only tests/fuzz/corpus has such files
    void (*seed)(const char *folder, Arena *a, Error *e);
} Parser;

/* How many inputs were accepted so far. */
extern size_t fuzz_accepted;

/* Writes the input to the file `name` in the program's scratch folder, and returns the path. */
const char *fuzz_file(const Input *in, const char *name);
/* Does the same with any bytes. */
const char *fuzz_write(const char *name, const void *data, size_t n);
/* The input as a text that ends with a zero byte; NULL: no memory. */
char *fuzz_text(const Input *in);
/* Writes a seed FOLDER/name. */
void fuzz_seed(const char *folder, const char *name, const void *data, size_t n, Arena *a, Error *e);
/* Writes a copy of the file `path` into the folder, as a seed. */
void fuzz_seed_file(const char *folder, const char *path, Arena *a, Error *e);
/* A tiny model that every check of config.json lets through: its files have a few kilobytes. */
ModelConfig fuzz_config(void);

#endif
