/* SPDX-License-Identifier: MIT */
/* Mask case: a prompt template and a mask. They decide the ids of a question and its answer, and which ids are labels
 * (model/text/prompt.h).
 *
 * case.json holds the turns; a turn is a question with its answer, and makes one sample. The samples are packed one
 * after another: B samples, N tokens in all, MASK_IMAGE_TOKENS for a picture.
 * out.safetensors holds
 *     targets I32 [N]        the id that the logits of row n should predict, or -1 (Hugging Face: labels[n + 1], -100)
 *     ids I32 [N]
 *     offsets I32 [B + 1]    the tokens of sample b are offsets[b] … offsets[b+1] - 1
 *     image I32 [B, 2]       the first row of the picture, counted from offsets[b], and the number of its rows; 0 and 0
 *                            without a picture
 *     supervised I32 [B]     the number of targets of each sample, which is the divisor of a mean */
#ifndef PULSE_REF_VECTORS_CASE_MASK_H
#define PULSE_REF_VECTORS_CASE_MASK_H

#include "model/text/prompt.h"
#include "ref/vectors/case_loss.h"
#include "tensor/base/json.h"

enum { MASK_IMAGE_TOKENS = 4 };

/* `tokenizer` is the id of one of tok_forms. `mistakes` are as in SuiteCase (suite.h). */
typedef struct { const char *tokenizer; PromptTemplate template; PromptMask mask; const char *mistakes; } MaskForm;
extern const MaskForm mask_forms[];
extern const size_t mask_forms_count;

bool mask_case_make(const MaskForm *f, const Tokenizer *t, LossCase *c, Arena *a, Error *e);
/* The turns of the case. Each has its question, its answer, whether there is a picture, and its ids decoded to a text
 * with special tokens. The caller owns the list. */
json_t *mask_turns(const Tokenizer *t, const LossCase *c, Arena *a, Error *e);

#endif
