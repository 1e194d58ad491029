/* SPDX-License-Identifier: MIT */
/* Conversations: LLaVA's training data, one JSON array of objects (or one object a line), read as samples.
 *
 *     [{"id": "anna-1", "image": "anna.png",
 *       "conversations": [{"from": "human", "value": "<image>\nWho is this?"}, {"from": "gpt", "value": "Anna."}]}]
 *
 * Each pair of turns, a question of "human" and an answer of "gpt", is a sample "<id>-<k>" of the split "train", or "<id>" where
 * there is only one. The turns before it are not part of its prompt, unlike in LLaVA's own training, for here a sample is one
 * question. "<image>" is taken out of the text together with the white space beside it, and all questions of an object show its
 * picture. An object may also have "entity", "group", "skill" and "split", which mean what they mean in sample.h; "model" and
 * "metadata" are passed over. Fails, with FILE:LINE of the object: an unknown key, turns that do not alternate, a missing
 * picture, "<image>" without "image". */
#ifndef PULSE_EVAL_FORMATS_CONVERSATIONS_H
#define PULSE_EVAL_FORMATS_CONVERSATIONS_H

#include "model/training/dataset.h"

/* errors NULL: the first failure ends the reading (error_list.h). */
bool conversations_read(Dataset *out, const char *path, ErrorList *errors, Arena *a, Error *e);

#endif
