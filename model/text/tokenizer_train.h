/* SPDX-License-Identifier: MIT */
/* Makes the tokenizer of a small world: every given word is one token, all other text still works.
 *
 * Writes FOLDER/tokenizer.json (BPE with byte fallback and ignore_merges: a piece that is a token is
 * that token; pieces are what stands between white space, each with "▁" before it) and
 * FOLDER/tokenizer_config.json, so that transformers' AutoTokenizer opens it.
 * Ids: 0 <unk>, 1 <s>, 2 </s>, 3 … 258 the bytes <0x00> … <0xFF>; then the characters of the words by
 * code point, the pieces of `merges` byte-pair merges in the order learnt (most frequent pair, ties:
 * the smaller left, then right, bytewise; each word counts once), the words in ascending bytes; last
 * <image> and <pad>, as in LLaVA. Other words fall into pieces, characters, bytes.
 * So "USER: <image> what is this ? ASSISTANT: red </s>" has no token but words and specials, and
 * decoding gives words with single blanks between them.
 * The same set of words makes the same bytes, in whatever order and however often they are given.
 * Fails: a word that is empty, not UTF-8 or contains white space; a file that cannot be written. */
#ifndef PULSE_MODEL_TEXT_TOKENIZER_TRAIN_H
#define PULSE_MODEL_TEXT_TOKENIZER_TRAIN_H

#include <stddef.h>
#include "tensor/base/error.h"

/* `words` without blanks ("what", "?", "USER:", "7"); "▁" is put before each. `merges` 0: no pieces between words and characters. */
bool tokenizer_train(const char *folder, const char *const *words, size_t count, size_t merges, Error *e);

#endif
