/* SPDX-License-Identifier: MIT */
/* Tokenizer: words to token ids and back, as a tokenizer.json of Hugging Face's `tokenizers` says.
 *
 *     const Tokenizer *t = tokenizer_open("model/tokenizer.json", arena, error);
 *     TokenIds ids = tokenizer_encode(t, "what is this ?", TOKENIZER_SPECIAL, arena, error);
 *
 * Supported (INTEROP 2.3): BPE with byte fallback, unk (fused or not) and ignore_merges; added tokens
 * with lstrip, rstrip, single_word, normalized; normalizers Prepend and Replace (of a string);
 * pre-tokenizers Metaspace and WhitespaceSplit; decoders Replace, ByteFallback, Fuse, Strip,
 * Metaspace; post-processor TemplateProcessing; Sequences of each. That is LLaMA's tokenizer in its
 * legacy and its newer form, and the shipped world's. Everything else in the file (byte-level BPE,
 * Unigram, regular expressions, truncation, …) is an error that names it.
 * One departure: beside a single_word token, every character above ASCII that is not white space
 * counts as part of a word.
 * Always: a Tokenizer is read-only once opened, so threads may share it; the ids are those of `tokenizers`.
 * Fails: the file's sentence names the key; a text that is not UTF-8 names the byte. */
#ifndef PULSE_MODEL_TEXT_TOKENIZER_H
#define PULSE_MODEL_TEXT_TOKENIZER_H

#include <stdint.h>
#include "tensor/base/arena.h"

typedef struct Tokenizer Tokenizer;

typedef struct {
    int32_t *id;
    size_t   count;
} TokenIds;

typedef enum { TOKENIZER_PLAIN, TOKENIZER_SPECIAL } TokenizerSpecials;     // as add_special_tokens=False / True: the template's <s>

const Tokenizer *tokenizer_open(const char *path, Arena *a, Error *e);                              // NULL on failure
/* The same from memory; `name` stands for the path in sentences. */
const Tokenizer *tokenizer_parse(const char *json, size_t n, const char *name, Arena *a, Error *e);

/* `id` is NULL on failure. */
TokenIds tokenizer_encode(const Tokenizer *t, const char *text, TokenizerSpecials specials, Arena *a, Error *e);
TokenIds tokenizer_encode_bytes(const Tokenizer *t, const char *text, size_t n, TokenizerSpecials specials, Arena *a, Error *e);
/* `skip`: tokens marked special vanish. So does an id without a token (a model's vocabulary may be larger), as in `tokenizers`. NULL: no memory. */
char   *tokenizer_decode(const Tokenizer *t, const int32_t *id, size_t count, bool skip, Arena *a, Error *e);

size_t      tokenizer_size(const Tokenizer *t);                        // largest id + 1; the model's vocab_size is at least this
int32_t     tokenizer_id(const Tokenizer *t, const char *token);       // of exactly this token ("</s>", "▁what"); -1: there is none
const char *tokenizer_token(const Tokenizer *t, int32_t id);           // NULL: there is none
bool        tokenizer_is_special(const Tokenizer *t, int32_t id);

#endif
