/* SPDX-License-Identifier: MIT */
/* Tokenizer: text to token ids and back, by a tokenizer.json of Hugging Face's `tokenizers`.
 *
 *     const Tokenizer *t = tokenizer_open("model/tokenizer.json", arena, error);
 *     TokenIds ids = tokenizer_encode(t, "what is this ?", TOKENIZER_SPECIAL, arena, error);
 *
 * These parts are supported, and Sequences of them; they cover LLaMA's tokenizer in its legacy and its newer form, and
 * the tokenizer of the shipped data set (fixtures/world):
 *     model            BPE with byte fallback, unk (fused or not) and ignore_merges
 *     added tokens     with lstrip, rstrip, single_word and normalized
 *     normalizers      Prepend and Replace (of a string)
 *     pre-tokenizers   Metaspace and WhitespaceSplit
 *     decoders         Replace, ByteFallback, Fuse, Strip and Metaspace
 *     post-processor   TemplateProcessing
 * Anything else (byte-level BPE, Unigram, regular expressions, truncation) is an error that names it; `padding` is
 * ignored.
 * Ids are those of `tokenizers`, with one exception: beside a single_word token, every character above ASCII that
 * is not white space counts as part of a word.
 * A Tokenizer is read-only once opened, so threads may share it.
 * Errors: the sentence names the key of the file, or the byte at which a text is not UTF-8. */
#ifndef PULSE_MODEL_TEXT_TOKENIZER_H
#define PULSE_MODEL_TEXT_TOKENIZER_H

#include <stdint.h>
#include "tensor/base/arena.h"

typedef struct Tokenizer Tokenizer;

typedef struct {
    int32_t *id;
    size_t   count;
} TokenIds;

// as transformers' add_special_tokens=False, or True: with the template's <s>
typedef enum { TOKENIZER_PLAIN, TOKENIZER_SPECIAL } TokenizerSpecials;

/* The tokenizer of the file, in `a`; NULL on failure. */
const Tokenizer *tokenizer_open(const char *path, Arena *a, Error *e);
/* The same from n bytes of JSON; sentences use `name` in place of the path. */
const Tokenizer *tokenizer_parse(const char *json, size_t n, const char *name, Arena *a, Error *e);

/* The ids of a text, in `a`; `id` is NULL on failure. */
TokenIds tokenizer_encode(const Tokenizer *t, const char *text, TokenizerSpecials specials, Arena *a, Error *e);
TokenIds tokenizer_encode_bytes(const Tokenizer *t, const char *text, size_t n, TokenizerSpecials specials, Arena *a,
                                Error *e);
/* The text of `count` ids, in `a`; NULL: no memory. With `skip`, special tokens are left out. An id without a token is
 * always left out, as in `tokenizers`, because a model's vocabulary may be larger than the tokenizer's. */
char   *tokenizer_decode(const Tokenizer *t, const int32_t *id, size_t count, bool skip, Arena *a, Error *e);

size_t      tokenizer_size(const Tokenizer *t);                        // largest id + 1; a model's vocab_size may be larger
int32_t     tokenizer_id(const Tokenizer *t, const char *token);       // the id of a whole token ("</s>", "▁what"); -1: no such token
const char *tokenizer_token(const Tokenizer *t, int32_t id);           // NULL: the id has no token
int32_t     tokenizer_unknown(const Tokenizer *t);                     // the id of unknown text; -1: no text is unknown
bool        tokenizer_is_special(const Tokenizer *t, int32_t id);

#endif
