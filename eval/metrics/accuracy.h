/* SPDX-License-Identifier: MIT */
/* Answers: the string rules by which a written answer counts as right. What matches nothing is wrong; nothing is drawn.
 *
 * White space around an answer never counts. Letters are compared without case only where a rule says so, and only A-Z. */
#ifndef PULSE_EVAL_METRICS_ACCURACY_H
#define PULSE_EVAL_METRICS_ACCURACY_H

#include <stdbool.h>
#include <stddef.h>

enum { NO_CHOICE = -1 };

/* The whole answer is the text. */
bool answer_exact(const char *text, const char *answer);
/* Cloze of MLLMU-Bench: lower(answer) stands somewhere in lower(text); so "1" is found in "19". An empty answer is found nowhere. */
bool answer_cloze(const char *text, const char *answer);
/* MLLMU-Bench: the first character, upper-cased, is the letter of one of n options (n <= 26); else NO_CHOICE. */
int  answer_first_letter(const char *text, size_t n);
/* Which of n options (n <= 26) is meant: by these rules, in order, the first that applies:
 *   1. the text is one capital letter, "B";
 *   2. it begins with a capital letter and one of . ) : , as "B. a cat", or with one in brackets, "(B) a cat";
 *   3. without case, it is the text of an option, perhaps with a final full stop;
 *   4. without case, exactly one option stands in it (as whole words).
 * A letter beyond the n-th is NO_CHOICE. */
int  answer_choice(const char *text, const char *const *option, size_t n);

#endif
