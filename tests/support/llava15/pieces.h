/* SPDX-License-Identifier: MIT */
/* Pieces: a tokenizer.json with the form, the size and the special tokens of LLaVA-1.5's, but with made-up pieces. */
#ifndef PULSE_TESTS_SUPPORT_LLAVA15_PIECES_H
#define PULSE_TESTS_SUPPORT_LLAVA15_PIECES_H

#include <stdbool.h>

/* Writes FOLDER/tokenizer.json. It has 32000 pieces in LLaMA's order (three special ones, 256 bytes, the results of
 * merges, the single characters), and then <image> and <pad>. The normalizer is Prepend + Replace, without a
 * pre-tokenizer. False: errno says why. */
bool pieces_write(const char *folder);

#endif
