/* SPDX-License-Identifier: MIT */
/* What reading a tokenizer.json is shared between its two files. Not for others. */
#ifndef PULSE_MODEL_TEXT_TOKENIZER_STEPS_H
#define PULSE_MODEL_TEXT_TOKENIZER_STEPS_H

#include <jansson.h>
#include "model/text/tokenizer_parts.h"

bool tokenizer_refuse(const Tokenizer *t, const char *what, Error *e);
bool tokenizer_flag(const json_t *object, const char *key, bool otherwise);
Span tokenizer_keep(const json_t *string, Arena *a);                         // a copy that lives with the Tokenizer

/* normalizer, pre_tokenizer and decoder, each one step or a Sequence of steps. */
bool tokenizer_steps_read(Tokenizer *t, const json_t *root, Arena *a, Error *e);

#endif
