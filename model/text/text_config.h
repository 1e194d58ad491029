/* SPDX-License-Identifier: MIT */
/* The files beside tokenizer.json that say how texts are read and answers are generated: tokenizer_config.json,
 * special_tokens_map.json and generation_config.json.
 *
 * Everything is computed from tokenizer.json and config.json. The three files repeat some of that, and may ask for
 * other things. So each of their keys must agree with them, or change nothing, or else it is refused by its name.
 * tokenizer_config.def and generation_config.def list the keys with what becomes of each. A file may be absent. */
#ifndef PULSE_MODEL_TEXT_TEXT_CONFIG_H
#define PULSE_MODEL_TEXT_TEXT_CONFIG_H

#include "model/text/tokenizer.h"

/* `end` is the id of the token that ends an answer, by config.json; -1: none. The sentence names the file and the key.
 * Thread-safe. text_config_check checks the two files about tokens; generation_config_check checks
 * generation_config.json, which matters only where answers are generated. `greedy`: the user chose greedy decoding, so
 * only the end token of that file counts. */
bool text_config_check(const char *folder, const Tokenizer *t, int64_t end, Error *e);
bool generation_config_check(const char *folder, const Tokenizer *t, int64_t end, bool greedy, Error *e);

#endif
