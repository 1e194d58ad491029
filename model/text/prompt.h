/* SPDX-License-Identifier: MIT */
/* Prompt: one question, its picture and its answer as token ids, and which of them are to be learnt.
 *
 * Templates (INTEROP 2.3; `…` is the answer, absent when one is to be generated; without a picture
 * "<image>" goes, and the blank or newline after it):
 *     world      USER: <image> QUESTION ASSISTANT: …</s>
 *     plain      USER: <image>\nQUESTION\nASSISTANT: …                     (MLLMU-Bench: no end token)
 *     vicuna_v1  A chat between … questions. USER: <image>\nQUESTION ASSISTANT: …</s>
 * The text is tokenised as a whole with the tokenizer's own template (<s>), then the one <image>
 * becomes image_tokens copies of its id: the way of Hugging Face's processor. `piecewise` tokenises
 * the two sides of <image> apart, as the original LLaVA; the ids differ where a tokenizer marks only
 * the first word (Metaspace "first"), not in LLaMA's legacy form.
 *
 * The convention of labels: targets[row] is the id that this row predicts, ids[row + 1], or -1.
 * Masks: `answer` (the answer and the end token), `all_text` (every token but the first and the
 * image's), `all_plus_image` (every token but the first).
 * The answer begins where the ids with it leave those without it (their longest common prefix).
 * Fails: no <image> token in the tokenizer; a special token inside question or answer; an answer
 * without tokens. */
#ifndef PULSE_MODEL_TEXT_PROMPT_H
#define PULSE_MODEL_TEXT_PROMPT_H

#include "model/text/tokenizer.h"

#define PROMPT_IMAGE "<image>"

typedef enum { PROMPT_WORLD, PROMPT_PLAIN, PROMPT_VICUNA_V1, PROMPT_TEMPLATES } PromptTemplate;
typedef enum { MASK_ANSWER, MASK_ALL_TEXT, MASK_ALL_PLUS_IMAGE, PROMPT_MASKS } PromptMask;

typedef struct {
    const Tokenizer *text;
    PromptTemplate template;
    PromptMask     mask;
    size_t         image_tokens;     // rows of the language model that a picture takes
    bool           piecewise;
} PromptStyle;

typedef struct {
    int32_t *ids, *targets;          // n each
    size_t   n;
    size_t   image_begin, image_count;       // 0, 0 without a picture
    size_t   answer_begin, answer_count;     // tokens of the answer with its end token; begin = n, 0 when there is none
} Prompt;

/* `answer` NULL: the prompt of a generation. */
bool prompt_make(Prompt *out, const PromptStyle *style, const char *question, const char *answer, bool picture, Arena *a, Error *e);

const char *prompt_template_name(PromptTemplate t);       // "world", "plain", "vicuna_v1"
const char *prompt_template_end(PromptTemplate t);     // the token that ends an answer; "": none
const char *prompt_mask_name(PromptMask m);               // "answer", "all_text", "all_plus_image"
bool prompt_template_find(PromptTemplate *out, const char *name, Error *e);
bool prompt_mask_find(PromptMask *out, const char *name, Error *e);

#endif
