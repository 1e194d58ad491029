/* SPDX-License-Identifier: MIT */
/* Checks the files beside tokenizer.json that say how texts are read and answers are generated: tokenizer_config.json,
 * special_tokens_map.json and generation_config.json.
 *
 * Of these three files, this program uses only the chat template (chat_template.h). Everything else comes from
 * tokenizer.json and config.json. The three files repeat some of these values, and may ask for other things. So any
 * other key of them is refused, by its name, unless it agrees with tokenizer.json and config.json or changes nothing.
 * tokenizer_config.def and generation_config.def say how each key is treated. A file may be absent. */
#ifndef PULSE_MODEL_TEXT_TEXT_CONFIG_H
#define PULSE_MODEL_TEXT_TEXT_CONFIG_H

#include "model/text/tokenizer.h"

/* text_config_check checks the two files about tokens. generation_config_check checks generation_config.json, which
 * matters only if answers are generated. `end` is the id of the token that ends an answer: eos_token_id of config.json.
 * `greedy`: the user chose greedy decoding, so only the end token of generation_config.json is checked. The
 * sentence of a failure names the file and the key. Thread-safe. */
bool text_config_check(const char *folder, const Tokenizer *t, int64_t end, Error *e);
bool generation_config_check(const char *folder, const Tokenizer *t, int64_t end, bool greedy, Error *e);

#endif
