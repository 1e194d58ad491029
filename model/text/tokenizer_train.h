/* SPDX-License-Identifier: MIT */
/* Makes the tokenizer of a small world, in which every given word is one token and every other text can still be encoded.
 *
 * It writes FOLDER/tokenizer.json (BPE with byte fallback and ignore_merges) and FOLDER/tokenizer_config.json, so that
 * transformers' AutoTokenizer opens it. A piece is what stands between white space, with "▁" before it; a piece that is a token
 * becomes that token. Ids: 0 <unk>, 1 <s>, 2 </s>, 3 to 258 the bytes <0x00> to <0xFF>; then the characters of the words by code
 * point; then the pieces that `merges` byte-pair merges make, in the order of the merges; then the words in ascending order of
 * bytes; last <image> and <pad>, as in LLaVA. Each merge joins the most frequent pair, where each word counts once; of equals it
 * is the one with the smaller left part, then the smaller right part, bytewise. Other words are encoded as pieces, characters and
 * bytes. "USER: <image> what is this ? ASSISTANT: red </s>" thus has no tokens but words and special tokens, and decoding gives
 * words with single blanks between them.
 * The same set of words makes the same bytes, whatever their order and however often each is given.
 * Errors: a word that is empty, is not UTF-8 or contains white space; a file that cannot be written. */
#ifndef PULSE_MODEL_TEXT_TOKENIZER_TRAIN_H
#define PULSE_MODEL_TEXT_TOKENIZER_TRAIN_H

#include <stddef.h>
#include "tensor/base/error.h"

/* Words have no blanks ("what", "?", "USER:", "7"). merges = 0: there are no pieces between words and characters. */
bool tokenizer_train(const char *folder, const char *const *words, size_t count, size_t merges, Error *e);

#endif
