/* SPDX-License-Identifier: MIT */
/* Tokenizer: text to token ids and back, as a tokenizer.json of Hugging Face's `tokenizers` says.
 *
 *     const Tokenizer *t = tokenizer_open("model/tokenizer.json", arena, error);
 *     TokenIds ids = tokenizer_encode(t, "what is this ?", TOKENIZER_SPECIAL, arena, error);
 *
 * Supported: BPE with byte fallback, unk (fused or not) and ignore_merges; added tokens with lstrip, rstrip,
 * single_word and normalized; the normalizers Prepend and Replace (of a string); the pre-tokenizers Metaspace and
 * WhitespaceSplit; the decoders Replace, ByteFallback, Fuse, Strip and Metaspace; the post-processor TemplateProcessing; and
 * Sequences of each. That covers LLaMA's tokenizer in its legacy and its newer form, and the tokenizer of the shipped world.
 * Everything else (byte-level BPE, Unigram, regular expressions, truncation) is an error that names it.
 * Ids are those of `tokenizers`, with one exception: beside a single_word token, every character above ASCII that is not white
 * space counts as part of a word.
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

// add_special_tokens=False, or True: with the template's <s>
typedef enum { TOKENIZER_PLAIN, TOKENIZER_SPECIAL } TokenizerSpecials;

/* The tokenizer of the file, in `a`; NULL on failure. */
const Tokenizer *tokenizer_open(const char *path, Arena *a, Error *e);
/* The same from n bytes of JSON; `name` stands for the path in sentences. */
const Tokenizer *tokenizer_parse(const char *json, size_t n, const char *name, Arena *a, Error *e);

/* The ids of a text, in `a`; `id` is NULL on failure. */
TokenIds tokenizer_encode(const Tokenizer *t, const char *text, TokenizerSpecials specials, Arena *a, Error *e);
TokenIds tokenizer_encode_bytes(const Tokenizer *t, const char *text, size_t n, TokenizerSpecials specials, Arena *a,
                                Error *e);
/* The text of `count` ids, in `a`; NULL: no memory. skip: special tokens are left out. An id without a token is left out too, as
 * in `tokenizers`, because a model's vocabulary may be larger than the tokenizer's. */
char   *tokenizer_decode(const Tokenizer *t, const int32_t *id, size_t count, bool skip, Arena *a, Error *e);

size_t      tokenizer_size(const Tokenizer *t);                        // largest id + 1; the model's vocab_size is at least this
int32_t     tokenizer_id(const Tokenizer *t, const char *token);       // of exactly this token ("</s>", "▁what"); -1: it is not a token
const char *tokenizer_token(const Tokenizer *t, int32_t id);           // NULL: the id has no token
// of what it cannot spell; -1: it spells everything
int32_t     tokenizer_unknown(const Tokenizer *t);
bool        tokenizer_is_special(const Tokenizer *t, int32_t id);

#endif
