/* SPDX-License-Identifier: MIT */
/* Accuracy: the rules by which a written answer counts as right. What matches nothing is wrong; no choice is ever drawn
 * at random.
 *
 * White space around an answer never counts. Letters are compared without case only where a rule says so, and only A to
 * Z. All texts are NUL-terminated UTF-8. The functions are pure. */
#ifndef PULSE_EVAL_METRICS_ACCURACY_H
#define PULSE_EVAL_METRICS_ACCURACY_H

#include <stdbool.h>
#include <stddef.h>

enum { NO_CHOICE = -1 };

/* Whether the text is the whole answer and nothing else. */
bool answer_exact(const char *text, const char *answer);
/* The cloze of MLLMU-Bench: whether lower(answer) stands somewhere in lower(text), so that "1" is found in "19".
 * An empty answer is never found. */
bool answer_cloze(const char *text, const char *answer);
/* The choice of MLLMU-Bench: the index of the option whose letter is the first character, upper-cased; n options, n <=
 * 26. Else NO_CHOICE. */
int  answer_first_letter(const char *text, size_t n);
/* The index of the option that is meant, of n (n <= 26); the first of these rules that applies decides:
 *   1. the text is one capital letter, "B";
 *   2. the text begins with a capital letter and one of . ) : , as in "B. a cat", or with a letter in brackets, "(B) a cat";
 *   3. without case, the text is that of an option, perhaps with a final full stop;
 *   4. without case, exactly one option stands in the text, as whole words.
 * NO_CHOICE where no rule applies, and for a letter beyond the n-th. */
int  answer_choice(const char *text, const char *const *option, size_t n);

#endif
