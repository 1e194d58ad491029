/* SPDX-License-Identifier: MIT */
/* Words of a list in a config: "ga, ga_klr npo", parted by commas and blanks. */
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

/* The next word, cut to what `out` holds. */
static inline bool word_next(Words *w, char *out, size_t room)
{
    w->at += strspn(w->at, ", \t");
    size_t n = strcspn(w->at, ", \t");
    snprintf(out, room, "%.*s", (int)n, w->at);
    w->at += n;
    return n > 0;
}

#endif
