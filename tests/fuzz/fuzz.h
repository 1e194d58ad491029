/* SPDX-License-Identifier: MIT */
/* A fuzz target: one parser, and valid files to start from.
 *
 * A target answers, or gives a sentence, and never both; fuzz_parsers.c holds every input to that. It keeps nothing of
 * an input, so that no run depends on another. A target whose files carry a checksum repairs it, so that the changes
 * reach what stands behind the checksum. */
#ifndef PULSE_TESTS_FUZZ_FUZZ_H
#define PULSE_TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include "model/config.h"
#include "tensor/base/arena.h"

typedef struct { const uint8_t *data; size_t size; Arena *arena; Error *error; } Input;

typedef struct {
    const char *name;
    bool (*parse)(const Input *in);
    // writes valid files into the folder; NULL: only tests/fuzz/corpus has some
    void (*seed)(const char *folder, Arena *a, Error *e);
} Parser;

/* How many inputs were accepted so far. */
extern size_t fuzz_accepted;

/* The input as the file `name` of the program's scratch folder; its path. */
const char *fuzz_file(const Input *in, const char *name);
/* The same for any bytes. */
const char *fuzz_write(const char *name, const void *data, size_t n);
/* The input as a text that ends with a zero byte; NULL: no memory. */
char *fuzz_text(const Input *in);
/* Writes a seed FOLDER/name. */
void fuzz_seed(const char *folder, const char *name, const void *data, size_t n, Arena *a, Error *e);
/* The seed is the content of another file. */
void fuzz_seed_file(const char *folder, const char *path, Arena *a, Error *e);
/* The smallest model that every check of config.json lets through: its files have a few kilobytes. */
ModelConfig fuzz_config(void);

#endif
