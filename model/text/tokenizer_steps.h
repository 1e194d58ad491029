/* SPDX-License-Identifier: MIT */
/* What tokenizer_file.c and tokenizer_steps.c, which read a tokenizer.json, share. */
#ifndef PULSE_MODEL_TEXT_TOKENIZER_STEPS_H
#define PULSE_MODEL_TEXT_TOKENIZER_STEPS_H

#include <jansson.h>
#include "model/text/tokenizer_parts.h"

/* Fails with the sentence "<path>: <what>". */
bool tokenizer_refuse(const Tokenizer *t, const char *what, Error *e);
/* A boolean of the object; `otherwise` if it is absent. */
bool tokenizer_flag(const json_t *object, const char *key, bool otherwise);
Span tokenizer_keep(const json_t *string, Arena *a);                         // a copy in `a`

/* Reads normalizer, pre_tokenizer and decoder, each of which is one step or a Sequence of steps. */
bool tokenizer_steps_read(Tokenizer *t, const json_t *root, Arena *a, Error *e);

#endif
