/* SPDX-License-Identifier: MIT */
/* Wrong: what implementations with known mistakes would answer to the cases of a suite, by really making the mistake:
 * an alternative formula in binary64, another road, or the module's graph with a wrong part in it; nothing of it is in the product.
 * wrong.safetensors holds them as "<case>@<flag>/<tensor>", rounded to F32, or as integers. */
#ifndef PULSE_TESTS_SUPPORT_WRONG_WRONG_H
#define PULSE_TESTS_SUPPORT_WRONG_WRONG_H

#include "ref/trace/unit.h"
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
void wrong_inputs(Wrong *w);         // wrong_inputs.c: pictures, tokens, masks
void wrong_blocks(Wrong *w);         // wrong_blocks.c
void wrong_steps(Wrong *w);          // wrong_steps.c
/* Makes the mistake in a recorded graph (wrong_graph.c): in what the unit has of it; NULL: in all of it.
 * False: there is no place for it. */
bool wrong_graph(const Tape *t, const Unit *u, const char *flag, Arena *a);

/* in.safetensors of a case (closed with the arena's life); n floats of it; an answer to be added; one of floats. */
Store wrong_open(Wrong *w, const char *id);
const float *wrong_floats(const Store *in, const char *name, size_t *n);
void wrong_tensor(Wrong *w, const char *id, const char *flag, const char *name, Tensor t);
float *wrong_answer(Wrong *w, const char *id, const char *flag, const char *name, Shape shape);
/* The next of the flags "A B C", which then stand after it; NULL after the last. */
const char *wrong_flag(Wrong *w, const char **flags);
/* All of them. */
bool wrong_make(const char *suite, Entry **list, size_t *count, Arena *a, Error *e);

#endif
