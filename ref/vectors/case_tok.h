/* SPDX-License-Identifier: MIT */
/* Tok case: texts to ids and back, in three forms of LLaMA's tokenizer (model/text/tokenizer.h).
 *
 * tokenizer.json: `legacy` as in LLaVA-1.5 (Prepend and Replace), `first` as with legacy=False (Metaspace before the first word),
 * `words` as the shipped world's (WhitespaceSplit, Metaspace, ignore_merges); as JSON the files of fixtures/tokenizers.
 * in: text U8 [T, longest], UTF-8 and zeros after it; text.length I32 [T].
 * out: ids I32 [T, longest] with the template's special tokens, -1 after the last; decoded U8 [T, longest], what the ids say
 * without special tokens; decoded.length I32 [T]. */
#ifndef PULSE_REF_VECTORS_CASE_TOK_H
#define PULSE_REF_VECTORS_CASE_TOK_H

#include "model/text/tokenizer.h"
#include "ref/vectors/case_loss.h"
#include "tensor/base/json.h"

typedef struct { const char *id, *flags; } TokForm;
extern const TokForm tok_forms[];
extern const size_t tok_forms_count;

/* The tokenizer of the form `id` (tok_forms.c); NULL: no such form. */
json_t *tok_tokenizer(const char *id);
bool tok_case_make(const Tokenizer *t, LossCase *c, Arena *a, Error *e);

#endif
