/* SPDX-License-Identifier: MIT */
/* Conversations: LLaVA's training data, one JSON array of objects (or one object a line), read as samples.
 *
 *     [{"id": "anna-1", "image": "anna.png",
 *       "conversations": [{"from": "human", "value": "<image>\nWho is this?"}, {"from": "gpt", "value": "Anna."}]}]
 *
 * - Each pair of turns, a question of "human" and an answer of "gpt", becomes a sample. Its id is "<id>-<k>" for pair k
 *   (from 0), or "<id>" if there is only one pair.
 * - A sample is one question. So, unlike in LLaVA's own training, earlier turns are not part of its prompt.
 * - "<image>" is removed from the text, and then the white space at both ends of the text. All questions of an object
 *   show the object's picture.
 * - An object may also have "entity", "group", "skill" and "split" (sample.h); the split is "train" if it is not given.
 *   "model" and "metadata" are ignored.
 *
 * Errors begin with FILE:LINE of the object: an unknown key, turns that do not alternate, a missing picture, "<image>"
 * without "image". */
#ifndef PULSE_EVAL_FORMATS_CONVERSATIONS_H
#define PULSE_EVAL_FORMATS_CONVERSATIONS_H

#include "model/training/dataset.h"

/* errors NULL: the first failure ends the reading (error_list.h). */
bool conversations_read(Dataset *out, const char *path, ErrorList *errors, Arena *a, Error *e);

#endif
