/* SPDX-License-Identifier: MIT */
/* Pieces: a tokenizer.json of the form, the size and the special tokens of LLaVA-1.5's, with made-up pieces. */
#ifndef PULSE_TESTS_SUPPORT_LLAVA15_PIECES_H
#define PULSE_TESTS_SUPPORT_LLAVA15_PIECES_H

#include <stdbool.h>

/* Writes FOLDER/tokenizer.json: 32000 pieces as in LLaMA's (three special ones, 256 bytes, then what merges make, the single
 * characters last), the normalizer Prepend + Replace, no pre-tokenizer, and <image> and <pad> behind them. False: errno says why. */
bool pieces_write(const char *folder);

#endif
