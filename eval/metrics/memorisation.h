/* SPDX-License-Identifier: MIT */
/* Memorisation: how many tokens of an answer a model predicts under teacher forcing, when it is given all tokens before
 * each of them.
 *
 * right[k] says that token k is the argmax of its row of logits, the lowest id on ties. n counts the tokens of an
 * answer without its end token, as in open-unlearning: pass tokens_without_end(T). n = 0: NaN. */
#ifndef PULSE_EVAL_METRICS_MEMORISATION_H
#define PULSE_EVAL_METRICS_MEMORISATION_H

#include <stddef.h>

/* How many of an answer's T tokens are left without the end token, which is the last one. An answer that has nothing
 * but the end token keeps it. */
size_t tokens_without_end(size_t tokens);

/* The number of right tokens / n (Tirumala et al. 2022). */
double exact_memorisation(const unsigned char *right, size_t n);
/* 1 - k/n, where k is the smallest start from which on all tokens are right; if the last token is wrong, k is n
 * (Carlini et al. 2021). */
double extraction_strength(const unsigned char *right, size_t n);
/* Extraction strength as the loop of open-unlearning computes it: k is at most n - 1, so the value is never 0. */
double extraction_strength_open(const unsigned char *right, size_t n);

#endif
