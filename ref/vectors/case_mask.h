/* SPDX-License-Identifier: MIT */
/* Mask case: a prompt template and a mask: questions and answers as ids, and what each row is to predict (model/text/prompt.h).
 *
 * Turns stand in case.json; a picture takes MASK_IMAGE_TOKENS rows. Samples one after another, N tokens in all, B samples.
 * out: targets I32 [N], the id that this row's logits are to predict, -1 nothing (Hugging Face's labels[n + 1], -100);
 * ids I32 [N]; offsets I32 [B + 1]: tokens of sample b are offsets[b] … offsets[b+1] - 1; image I32 [B, 2]: the first row of the
 * picture and how many; supervised I32 [B]: targets of each sample, what a mean is divided by. */
#ifndef PULSE_REF_VECTORS_CASE_MASK_H
#define PULSE_REF_VECTORS_CASE_MASK_H

#include "model/text/prompt.h"
#include "ref/vectors/case_loss.h"
#include "tensor/base/json.h"

enum { MASK_IMAGE_TOKENS = 4 };

// tokenizer: of tok_forms
typedef struct { const char *tokenizer; PromptTemplate template; PromptMask mask; const char *flags; } MaskForm;
extern const MaskForm mask_forms[];
extern const size_t mask_forms_count;

bool mask_case_make(const MaskForm *f, const Tokenizer *t, LossCase *c, Arena *a, Error *e);
/* Question, answer, whether there is a picture, and what the ids of the case say, with special tokens. */
json_t *mask_turns(const Tokenizer *t, const LossCase *c, Arena *a, Error *e);

#endif
