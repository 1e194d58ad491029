/* SPDX-License-Identifier: MIT */
/* Accuracy: the rules by which a written answer counts as right. A text that matches nothing is wrong; no choice is
 * ever drawn at random.
 *
 * White space around an answer never counts. Letters are compared without case only where a rule says so, and only A
 * to Z. All texts are NUL-terminated UTF-8. The functions are pure. */
#ifndef PULSE_EVAL_METRICS_ACCURACY_H
#define PULSE_EVAL_METRICS_ACCURACY_H

#include <stdbool.h>
#include <stddef.h>

enum { NO_CHOICE = -1 };

/* Whether the text is the whole answer and nothing else. */
bool answer_exact(const char *text, const char *answer);
/* The cloze of MLLMU-Bench: whether lower(text) contains lower(answer), so "1" is found in "19". An empty answer is
 * never found. */
bool answer_cloze(const char *text, const char *answer);
/* The choice of MLLMU-Bench: the index of the option, of n (n <= 26), whose letter is the first character of the text,
 * upper-cased. NO_CHOICE: no option has this letter. */
int  answer_first_letter(const char *text, size_t n);
/* The index of the option, of n (n <= 26), that a text chooses. The first of these rules that applies decides:
 *   1. the text is one capital letter, "B";
 *   2. the text begins with a capital letter and a full stop, a closing bracket or a colon, as "B. a cat", or with a
 *      capital letter in brackets, as "(B) a cat";
 *   3. the text equals an option, perhaps with a final full stop, without regard to case;
 *   4. the text contains exactly one option, as whole words, without regard to case.
 * NO_CHOICE: no rule applies, or the letter is beyond the n-th. */
int  answer_choice(const char *text, const char *const *option, size_t n);

#endif
