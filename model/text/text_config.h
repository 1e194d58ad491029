/* SPDX-License-Identifier: MIT */
/* The files beside tokenizer.json that say how texts are read and answers are generated: tokenizer_config.json, special_tokens_map.json
 * and generation_config.json.
 *
 * tokenizer.json and config.json hold all that is computed from; these three say some of it once more, and ask for other things. So every
 * key is checked to say the same, changes nothing, or is refused by its name. tokenizer_config.def and generation_config.def list the
 * keys with what becomes of each. A file that is not there says nothing. */
#ifndef PULSE_MODEL_TEXT_TEXT_CONFIG_H
#define PULSE_MODEL_TEXT_TEXT_CONFIG_H

#include "model/text/tokenizer.h"

/* `end` is the id of the token that ends an answer, by config.json; -1: none. The sentence names the file and the key. Thread-safe.
 * text_config_check holds the two files that say how a text becomes tokens; generation_config_check holds generation_config.json, which
 * concerns those alone who generate. `greedy`: the user chose greedy decoding, so that of this file only the end of an answer counts. */
bool text_config_check(const char *folder, const Tokenizer *t, int64_t end, Error *e);
bool generation_config_check(const char *folder, const Tokenizer *t, int64_t end, bool greedy, Error *e);

#endif
