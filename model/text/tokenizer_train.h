/* SPDX-License-Identifier: MIT */
/* Makes a tokenizer for a small vocabulary: every given word is one token, and every other text can still be encoded.
 *
 * It writes FOLDER/tokenizer.json (BPE with byte fallback and ignore_merges) and FOLDER/tokenizer_config.json, so
 * that transformers' AutoTokenizer opens the folder. Text is cut at white space, and "▁" is put before each piece;
 * a piece that is a token becomes this token. Other pieces are encoded as smaller tokens, characters and bytes.
 * Decoding gives words with single blanks between them.
 * Ids, in this order:
 *     0 to 2      <unk>, <s>, </s>
 *     3 to 258    the bytes <0x00> to <0xFF>
 *     then        the characters of the words, and "▁", by code point
 *     then        the results of `merges` byte-pair merges, in the order of the merges
 *     then        the words that are not among these, in ascending order of bytes
 *     last        <image> and <pad>, as in LLaVA
 * Each merge joins the most frequent pair, where each word counts once. Of equally frequent pairs, it is the one
 * with the smaller left part, then the smaller right part, bytewise.
 * The same set of words gives the same files, whatever their order and however often each word is given.
 * Errors: a word that is empty, is not UTF-8, or contains white space or a control character; more than 2^20 merges; a
 * file that cannot be written. */
#ifndef PULSE_MODEL_TEXT_TOKENIZER_TRAIN_H
#define PULSE_MODEL_TEXT_TOKENIZER_TRAIN_H

#include <stddef.h>
#include "tensor/base/error.h"

/* Words have no blanks ("what", "?", "USER:", "7"). merges = 0: there are no tokens between words and characters. */
bool tokenizer_train(const char *folder, const char *const *words, size_t count, size_t merges, Error *e);

#endif
