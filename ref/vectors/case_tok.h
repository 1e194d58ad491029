/* SPDX-License-Identifier: MIT */
/* Tok case: texts as ids and back, in three forms of LLaMA's tokenizer (model/text/tokenizer.h).
 *
 * The form decides tokenizer.json: `legacy` is that of LLaVA-1.5 (Prepend and Replace), `first` has legacy=False
 * (Metaspace before the first word), and `words` is that of the shipped world (WhitespaceSplit, Metaspace,
 * ignore_merges). As JSON they equal the files of fixtures/tokenizers.
 * There are T texts; `longest` is the length of the longest row of a tensor. in.safetensors holds text U8 [T, longest],
 * UTF-8 followed by zeros, and text.length I32 [T]. out.safetensors holds ids I32 [T, longest] with the special tokens
 * that the tokenizer adds, followed by -1; decoded U8 [T, longest], the text of the ids without special tokens; and
 * decoded.length I32 [T]. */
#ifndef PULSE_REF_VECTORS_CASE_TOK_H
#define PULSE_REF_VECTORS_CASE_TOK_H

#include "model/text/tokenizer.h"
#include "ref/vectors/case_loss.h"
#include "tensor/base/json.h"

/* `mistakes` are as in SuiteCase (suite.h). */
typedef struct { const char *id, *mistakes; } TokForm;
extern const TokForm tok_forms[];
extern const size_t tok_forms_count;

/* The tokenizer.json of the form `id` (tok_forms.c), which the caller owns; NULL: there is no such form. */
json_t *tok_tokenizer(const char *id);
bool tok_case_make(const Tokenizer *t, LossCase *c, Arena *a, Error *e);

#endif
