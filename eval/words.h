/* SPDX-License-Identifier: MIT */
/* Words: splits a list of a config into its words, which are separated by commas, blanks or tabs: "ga, ga_klr npo".
 *
 *     for (Words w = words_of(list); word_next(&w, word, sizeof word);) … */
#ifndef PULSE_EVAL_WORDS_H
#define PULSE_EVAL_WORDS_H

#include <stdio.h>
#include <string.h>
#include "tensor/base/error.h"

typedef struct { const char *at; } Words;

static inline Words words_of(const char *list)
{
    return (Words){ list };
}

/* Copies the next word, cut to size - 1 bytes; false: there are no more. The list must outlive w. */
static inline bool word_next(Words *w, char *out, size_t size)
{
    w->at += strspn(w->at, ", \t");
    size_t n = strcspn(w->at, ", \t");
    snprintf(out, size, "%.*s", (int)n, w->at);
    w->at += n;
    return n > 0;
}

#endif
