/* SPDX-License-Identifier: MIT */
/* Wrong: what implementations with known mistakes would answer to the cases of a suite, by really making the mistake:
 * an alternative formula in binary64, for each flag, of which nothing is in the product.
 * wrong.safetensors holds them as "<case>@<flag>/<tensor>", rounded to F32. */
#ifndef PULSE_TESTS_WRONG_H
#define PULSE_TESTS_WRONG_H

#include "tensor/store.h"

typedef struct {
    const char *suite;               // folder of the reference answers
    Entry *list;
    size_t count, room;
    Arena *arena;
    Error *error;
} Wrong;

void wrong_ops(Wrong *w);            // wrong_ops.c
void wrong_losses(Wrong *w);         // wrong_losses.c

/* in.safetensors of a case (closed with the arena's life); n floats of it; an answer of n floats to be added. */
Store wrong_open(Wrong *w, const char *id);
const float *wrong_floats(const Store *in, const char *name, size_t *n);
float *wrong_answer(Wrong *w, const char *id, const char *flag, const char *name, Shape shape);
/* All of them. */
bool wrong_make(const char *suite, Entry **list, size_t *count, Arena *a, Error *e);

#endif
