/* SPDX-License-Identifier: MIT */
/* The chat template of a model folder: the Jinja text by which transformers makes a prompt of a conversation.
 *
 * It is in chat_template.jinja, chat_template.json, processor_config.json or tokenizer_config.json; the first of these
 * that has one holds, as in transformers. No Jinja is run here. The text is recognised where its normal form is in
 * chat_template.def: blanks and line ends inside {% … %} and {{ … }} but outside quotation marks are left out, and so
 * are comments, the marks of {% generation %}, and blanks round the whole; \n in quotation marks is a line end. */
#ifndef PULSE_MODEL_TEXT_CHAT_TEMPLATE_H
#define PULSE_MODEL_TEXT_CHAT_TEMPLATE_H

#include "model/text/prompt.h"

/* The prompt template that the folder's chat template is; `fallback` for a folder without one. Fails for a chat
 * template that is not recognised: another template in its place would be another question. */
bool chat_template_find(PromptTemplate *out, PromptTemplate fallback, const char *folder, Error *e);
/* The folder's chat template and the file that has it, in `a`. NULL and no failure: there is none. */
const char *chat_template_text(const char *folder, const char **path, Arena *a, Error *e);
/* Whether the text is known, and as which template. */
bool chat_template_known(const char *jinja, PromptTemplate *out, Arena *a);

#endif
