/* SPDX-License-Identifier: MIT */
/* Names: patterns for the names of parameters and modules, and the conversion between the naming layouts of files.
 * All functions are thread-safe. */
#ifndef PULSE_MODEL_NAMES_H
#define PULSE_MODEL_NAMES_H

#include "tensor/base/arena.h"

/* Whether one of the patterns in a comma-separated list matches the whole name. '*' stands for any run of characters
 * without '.', '**' for any run of characters, and '?' for one character except '.'. */
bool name_matches(const char *pattern, const char *name);

/* Converts the name of a parameter from any layout of any architecture to the Hub's layout:
 * "model.layers.0.mlp.up_proj.weight" becomes "language_model.model.layers.0.mlp.up_proj.weight". The text is in `a`.
 * NULL: no memory. */
const char *name_hub(const char *name, Arena *a);
/* Converts a name in the Hub's layout to the name that transformers has in memory since 4.52, and that PEFT writes:
 * "model.language_model.layers.0…". For the vision tower, it is the name that transformers had before 5.24. The text
 * is in `a`. NULL: no memory. */
const char *name_memory(const char *hub, Arena *a);

/* A list of names for a sentence: at most the first eight, and how many more there are. It begins as { 0 }. */
typedef struct { char text[560]; size_t count, shown; } NameList;
void        name_list_add(NameList *l, const char *name);
const char *name_list_text(NameList *l);             // "a, b and 7 more"; no name may be added afterwards

#endif
