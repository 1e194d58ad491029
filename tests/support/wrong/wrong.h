/* SPDX-License-Identifier: MIT */
/* Wrong: the answers that implementations with known mistakes would give to the cases of a suite. Each mistake is
 * really made: by another formula in binary64, by another processing of the input, by other settings, or in the graph
 * of a module or of a step, in the same way as `verify` makes it in a trace (ref/verify/known/). wrong.safetensors
 * holds the answers as "<case>@<flag>/<tensor>", rounded to F32, or as integers; the flag is the name of the mistake.
 * */
#ifndef PULSE_TESTS_SUPPORT_WRONG_WRONG_H
#define PULSE_TESTS_SUPPORT_WRONG_WRONG_H

#include "ref/trace/unit.h"
#include "tensor/store.h"

typedef struct {
    const char *suite;               // the folder of the reference answers
    Entry *list;
    size_t count, capacity;
    Arena *arena;
    Error *error;
} Wrong;

void wrong_ops(Wrong *w);            // wrong_ops.c
void wrong_losses(Wrong *w);         // wrong_losses.c
void wrong_sums(Wrong *w);           // wrong_sums.c: losses that are sums of cross-entropies
void wrong_weights(Wrong *w);        // wrong_weights.c: weights, gradients and scores
void wrong_inputs(Wrong *w);         // wrong_inputs.c: pictures, tokens, masks
void wrong_blocks(Wrong *w);         // wrong_blocks.c
void wrong_steps(Wrong *w);          // wrong_steps.c
void wrong_seqs(Wrong *w);           // wrong_seqs.c

/* Opens in.safetensors of a case, which stays open as long as the arena lives. */
Store wrong_open(Wrong *w, const char *id);
/* The floats of a tensor of that file, and their number. */
const float *wrong_floats(const Store *in, const char *name, size_t *n);
/* Adds an answer. */
void wrong_tensor(Wrong *w, const char *id, const char *flag, const char *name, Tensor t);
/* Adds an answer of floats, which the caller fills in. */
float *wrong_answer(Wrong *w, const char *id, const char *flag, const char *name, Shape shape);
/* Takes the first flag from the list "A B C" and moves *flags to the next one. NULL: there are no more. */
const char *wrong_flag(Wrong *w, const char **flags);
/* Makes the answers of all known mistakes. */
bool wrong_make(const char *suite, Entry **list, size_t *count, Arena *a, Error *e);

#endif
