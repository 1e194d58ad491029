/* SPDX-License-Identifier: MIT */
/* ROUGE (Lin, ACL workshop 2004) as the package rouge_score 0.1.2 counts it, to the last bit of its doubles.
 *
 * Words: the text in lower case, cut at everything but a-z and 0-9; with the stemmer, words of more than 3 letters are stemmed.
 * With o the number of common n-grams (each as often as in both), or the length of the longest common subsequence of words:
 *     precision = o / n-grams of the text,  recall = o / n-grams of the reference,  F = 2 p r / (p + r); 0 where nothing can be counted.
 * With and without stemmer are different metrics, and so are F and recall: name them apart. */
#ifndef PULSE_EVAL_METRICS_ROUGE_H
#define PULSE_EVAL_METRICS_ROUGE_H

#include "tensor/base/arena.h"

typedef struct { double precision, recall, f; } Rouge;
typedef enum { ROUGE_1, ROUGE_2, ROUGE_L, ROUGE_KINDS } RougeKind;

/* All three at once. `a` is scratch and given back. False: no memory. */
bool rouge_score(const char *reference, const char *text, bool stemmer, Rouge out[ROUGE_KINDS], Arena *a);

/* Porter's stemmer (Program 14(3), 1980) with the changes of NLTK, whose default rouge_score uses: `word` (a-z, 0-9) in place; its new length. */
size_t porter_stem(char *word, size_t n);

#endif
