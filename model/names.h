/* SPDX-License-Identifier: MIT */
/* Names of parameters and modules: patterns over them, and the three public layouts made one (INTEROP 2.2). */
#ifndef PULSE_MODEL_NAMES_H
#define PULSE_MODEL_NAMES_H

#include "tensor/base/arena.h"

/* Patterns of full names, separated by commas: '*' any run of characters but '.', '**' any run, '?' one character but '.'. */
bool name_matches(const char *pattern, const char *name);

/* The Hub's name for a name in any layout: "model.layers.0.mlp.up_proj.weight" -> "language_model.model.layers.0.mlp.up_proj.weight". NULL: no memory. */
const char *name_hub(const char *name, Arena *a);
/* The name in memory, as transformers has had it since 4.52 and PEFT writes it: "model.language_model.layers.0…". */
const char *name_memory(const char *hub, Arena *a);

/* A list of names for a sentence: the first few, and how many more there are. Begins as { 0 }. */
typedef struct { char text[560]; size_t count, shown; } NameList;
void        name_list_add(NameList *l, const char *name);
const char *name_list_text(NameList *l);             // "a, b and 7 more"; to be called last

#endif
