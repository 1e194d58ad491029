/* SPDX-License-Identifier: MIT */
/* The chat template of a model folder: the Jinja text by which transformers makes a prompt from a conversation.
 *
 * It is taken from the first of these files that has one, as in transformers: chat_template.jinja,
 * chat_template.json, processor_config.json, tokenizer_config.json. No Jinja is run here. The text is recognised if
 * the SHA-256 of its normal form is in chat_template.def. The normal form is the text without
 *   - blanks and line ends inside {% … %} and {{ … }} that are outside quotation marks
 *   - comments, the tags {% generation %} and {% endgeneration %}, and blanks and line ends around the whole text
 * In quotation marks of a tag, \n becomes a line end. */
#ifndef PULSE_MODEL_TEXT_CHAT_TEMPLATE_H
#define PULSE_MODEL_TEXT_CHAT_TEMPLATE_H

#include "model/text/prompt.h"

/* Gives the prompt template that equals the folder's chat template; `fallback` for a folder without one. Fails for
 * a chat template that is not recognised, because another template would ask the model another question. */
bool chat_template_find(PromptTemplate *out, PromptTemplate fallback, const char *folder, Error *e);
/* The folder's chat template, and the path of the file that has it, in `a`. NULL without a failure: there is none. */
const char *chat_template_text(const char *folder, const char **path, Arena *a, Error *e);
/* Whether the text is known, and as which template. */
bool chat_template_known(const char *jinja, PromptTemplate *out, Arena *a);

#endif
