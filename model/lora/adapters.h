/* SPDX-License-Identifier: MIT */
/* Adapters: one adapter or several beside one model. The forward pass uses all of them, and the last one may train.
 *
 *     Adapters all = { .count = 0 };
 *     adapters_add(&all, &first, "out/adapter", &arena, &e);            // trained earlier
 *     adapters_add(&all, &own, "new", &arena, &e);                      // freezes `first`
 *     model_make(&m, &config, &w, adapters_live(&all), positions, &arena, &e);
 *     ... train adapters_last(&all)->factors ...
 *     lora_save(adapters_last(&all), &w, "out/second", &e);
 *
 * With n adapters a linear map computes y = base(x) + s_1 (x A_1^T) B_1^T + … + s_n (x A_n^T) B_n^T, added in this
 * order (as after add_adapter and set_adapter([…]) of PEFT). The gradient of a frozen adapter is never computed.
 * Ownership: the factors are shared with the Lora that was added; everything else lives in the arena. */
#ifndef PULSE_MODEL_LORA_ADAPTERS_H
#define PULSE_MODEL_LORA_ADAPTERS_H

#include "model/lora/lora.h"

typedef struct {
    Lora        *list;         // [count] in the order in which they are summed
    const char **name;         // [count] their names in error sentences, for example folders
    size_t       count;        // 0: there are none
    Lora         live;         // all adapters as one, which the forward pass uses (lora_join); not for lora_save
} Adapters;

/* Adds an adapter after the others, and freezes the others. Fails if lora_join fails. */
bool adapters_add(Adapters *s, const Lora *l, const char *name, Arena *a, Error *e);
/* Adds a frozen adapter before the last one, which may go on training. `live` gets a new list of factors, so a trainer
 * that exists already must be made again. */
bool adapters_add_frozen(Adapters *s, const Lora *l, const char *name, Arena *a, Error *e);
/* All adapters as one, for the forward pass; NULL: there are none. If there is an adapter, the pointer stays valid
 * when others are added. `s` may be NULL. */
const Lora *adapters_live(const Adapters *s);
/* The adapter that may train; NULL: there is none. The next adapters_add may move it. `s` may be NULL. */
Lora *adapters_last(const Adapters *s);

/* Joins n adapters into one. The factors of the second pair of a module are called "<module>.lora_A.2.weight". The
 * pairs of the last adapter begin at l->frozen. Fails if two adapters replace the same weight of the model
 * (modules_to_save); the sentence names adapter k as name[k]. */
bool lora_join(Lora *l, const Lora *list, const char *const *name, size_t n, Arena *a, Error *e);

#endif
