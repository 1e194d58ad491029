/* SPDX-License-Identifier: MIT */
/* Prompt: a question, its picture and its answer as token ids, and the choice of the supervised tokens.
 *
 * Templates: `…` is the answer. If it is to be generated, the prompt ends with "ASSISTANT:". Without a picture,
 * "<image>" and the blank or newline after it are left out.
 *     world      USER: <image> QUESTION ASSISTANT: …</s>
 *     plain      USER: <image>\nQUESTION\nASSISTANT: …            (MLLMU-Bench, which has no end token)
 *     llava_hf   USER: <image>\nQUESTION ASSISTANT: …</s>         (the chat template of llava-hf/llava-1.5-7b-hf)
 *     vicuna_v1  SYSTEM USER: <image>\nQUESTION ASSISTANT: …</s>  (SYSTEM: "A chat between a curious user and …")
 * The text is tokenised as a whole with the tokenizer's own template (<s>). Then <image> becomes image_tokens
 * copies of its id, as in Hugging Face's processor. With `piecewise`, the texts before and after <image> are
 * tokenised separately, as in the original LLaVA. The ids then differ if the tokenizer marks only the first word
 * (Metaspace "first"); for LLaMA's legacy tokenizer they are the same.
 *
 * Labels: targets[row] is the id that this row predicts, ids[row + 1], or -1. The mask says which tokens are
 * supervised:
 *     answer           the answer and its end token
 *     all_text         every token except the first and those of the picture
 *     all_plus_image   every token except the first
 * The answer begins after the longest common prefix of the ids with the answer and the ids without it.
 * Errors: a picture is given but the tokenizer has no <image> token, the tokenizer needs its unknown token for a word,
 * the question or the answer contains a special token, or the answer has no tokens. */
#ifndef PULSE_MODEL_TEXT_PROMPT_H
#define PULSE_MODEL_TEXT_PROMPT_H

#include "model/text/tokenizer.h"

#define PROMPT_IMAGE "<image>"

typedef enum { PROMPT_WORLD, PROMPT_PLAIN, PROMPT_VICUNA_V1, PROMPT_LLAVA_HF, PROMPT_TEMPLATES } PromptTemplate;
typedef enum { MASK_ANSWER, MASK_ALL_TEXT, MASK_ALL_PLUS_IMAGE, PROMPT_MASKS } PromptMask;

typedef struct {
    const Tokenizer *tokenizer;
    PromptTemplate template;
    PromptMask     mask;
    size_t         image_tokens;     // how many positions of the language model a picture takes
    bool           piecewise;        // whether the texts before and after <image> are tokenised separately
} PromptStyle;

typedef struct {
    int32_t *ids, *targets;          // [n] each
    size_t   n;
    size_t   image_begin, image_count;       // the rows of the picture; 0 and 0 without one
    size_t   answer_begin, answer_count;     // the answer with its end token; n and 0 without one
} Prompt;

/* The arrays of the prompt are in `a`. `answer` NULL: the answer is to be generated. */
bool prompt_make(Prompt *out, const PromptStyle *style, const char *question, const char *answer, bool picture,
                 Arena *a, Error *e);

const char *prompt_template_name(PromptTemplate t);       // "world", "plain", "vicuna_v1", "llava_hf"
const char *prompt_template_names(void);                  // all of them, for a sentence
const char *prompt_template_end(PromptTemplate t);        // the token that ends an answer; "": there is none
const char *prompt_mask_name(PromptMask m);               // "answer", "all_text", "all_plus_image"
/* The template or mask of this name; an unknown name is an error that lists them. */
bool prompt_template_find(PromptTemplate *out, const char *name, Error *e);
bool prompt_mask_find(PromptMask *out, const char *name, Error *e);

#endif
