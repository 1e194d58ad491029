/* SPDX-License-Identifier: MIT */
/* ROUGE (Lin, ACL workshop 2004), as the package rouge_score 0.1.2 computes it, to the last bit of its doubles.
 *
 * The words of a text are its lower case cut at everything but a-z and 0-9; with the stemmer, words of more than 3
 * letters are stemmed. Let o be the number of common n-grams, each as often as in both texts, or the length of the
 * longest common subsequence of words. Then
 *     precision = o / n-grams of the text,  recall = o / n-grams of the reference,  F = 2 p r / (p + r),
 * and each is 0 where nothing can be counted.
 * ROUGE with and without the stemmer are different metrics, and so are F and recall: name them apart. */
#ifndef PULSE_EVAL_METRICS_ROUGE_H
#define PULSE_EVAL_METRICS_ROUGE_H

#include "tensor/base/arena.h"

typedef struct { double precision, recall, f; } Rouge;
typedef enum { ROUGE_1, ROUGE_2, ROUGE_L, ROUGE_KINDS } RougeKind;

/* All three kinds at once. `a` is scratch memory and given back. False: there is no memory left. */
bool rouge_score(const char *reference, const char *text, bool stemmer, Rouge out[ROUGE_KINDS], Arena *a);

/* Porter's stemmer (Program 14(3), 1980) with the changes of NLTK, whose default rouge_score uses. Stems
 * the n letters of `word` (a-z, 0-9) in place and returns their new number. */
size_t porter_stem(char *word, size_t n);

#endif
