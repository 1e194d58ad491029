/* SPDX-License-Identifier: MIT */
/* ROUGE (Lin, ACL workshop 2004), as the package rouge_score 0.1.2 computes it, to the last bit of its doubles.
 *
 * A text is lower-cased and cut into words at every character other than a-z and 0-9. With the stemmer, words of more
 * than 3 letters are stemmed. Let o be the number of common n-grams, each counted as often as it occurs in both
 * texts; for ROUGE-L, o is the length of the longest common subsequence of words. Then
 *     precision = o / number of n-grams of the text (for ROUGE-L: words),
 *     recall = o / number of n-grams of the reference,  F = 2 precision recall / (precision + recall),
 * and each is 0 where its denominator is 0.
 * ROUGE with and without the stemmer are different metrics, and F and recall are, too: give them different names. */
#ifndef PULSE_EVAL_METRICS_ROUGE_H
#define PULSE_EVAL_METRICS_ROUGE_H

#include "tensor/base/arena.h"

typedef struct { double precision, recall, f; } Rouge;
typedef enum { ROUGE_1, ROUGE_2, ROUGE_L, ROUGE_KINDS } RougeKind;

/* All three kinds at once. `a` is scratch memory, which is released again. False: there is no memory left. */
bool rouge_score(const char *reference, const char *text, bool stemmer, Rouge out[ROUGE_KINDS], Arena *a);

/* Porter's stemmer (Program 14(3), 1980) with the changes of NLTK, whose default rouge_score uses. Stems
 * the n letters of `word` (a-z, 0-9) in place and returns their new number. */
size_t porter_stem(char *word, size_t n);

#endif
