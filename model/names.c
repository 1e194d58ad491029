/* SPDX-License-Identifier: MIT */
#include "model/names.h"

#include <stdio.h>
#include <string.h>

/* One pattern, p up to `end`, against the whole name. Recursion is as deep as there are stars. */
static bool one_matches(const char *p, const char *end, const char *name)
{
    for (; p < end; p++, name++) {
        if (*p == '*') {
            bool dots = p + 1 < end && p[1] == '*';
            for (p += dots ? 2 : 1; ; name++) {
                if (one_matches(p, end, name))
                    return true;
                if (!*name || (*name == '.' && !dots))
                    return false;
            }
        }
        if (!*name || (*p == '?' ? *name == '.' : *p != *name))
            return false;
    }
    return !*name;
}

bool name_matches(const char *pattern, const char *name)
{
    for (const char *p = pattern; ; p++) {
        const char *end = p + strcspn(p, ",");
        if (one_matches(p, end, name))
            return true;
        if (!*end)
            return false;
        p = end;
    }
}

/* Beginnings, the longer ones first. The second of each pair is the Hub's. */
static const struct { const char *other, *hub; } layouts[] = {
    /* in memory since 4.52 */
    { "model.language_model.",                          "language_model.model." },
    { "model.multi_modal_projector.",                   "multi_modal_projector." },
    /* the original LLaVA */
    { "model.vision_tower.vision_tower.vision_model.",  "vision_tower.vision_model." },
    { "model.vision_tower.",                            "vision_tower." },             // (in memory again)
    { "model.mm_projector.0.",                          "multi_modal_projector.linear_1." },
    { "model.mm_projector.2.",                          "multi_modal_projector.linear_2." },
    { "model.embed_tokens.",                            "language_model.model.embed_tokens." },
    { "model.layers.",                                  "language_model.model.layers." },
    { "model.norm.",                                    "language_model.model.norm." },
    { "lm_head.",                                       "language_model.lm_head." },
};

const char *name_hub(const char *name, Arena *a)
{
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        size_t n = strlen(layouts[i].other);
        if (!strncmp(name, layouts[i].other, n))
            return arena_format(a, "%s%s", layouts[i].hub, name + n);
    }
    return arena_text(a, name);
}

const char *name_memory(const char *hub, Arena *a)
{
    static const size_t in_memory[] = { 0, 1, 3, 9 };
    for (size_t i = 0; i < sizeof in_memory / sizeof *in_memory; i++) {
        size_t n = strlen(layouts[in_memory[i]].hub);
        if (!strncmp(hub, layouts[in_memory[i]].hub, n))
            return arena_format(a, "%s%s", layouts[in_memory[i]].other, hub + n);
    }
    return arena_text(a, hub);
}

void name_list_add(NameList *l, const char *name)
{
    size_t used = strlen(l->text), room = sizeof l->text - 30 - used;
    if (l->count++ == l->shown && l->shown < 8 && strlen(name) + 3 < room) {
        snprintf(l->text + used, room, "%s%s", l->shown ? ", " : "", name);
        l->shown++;
    }
}

const char *name_list_text(NameList *l)
{
    char more[40];
    if (l->count > l->shown) {
        snprintf(more, sizeof more, " and %zu more", l->count - l->shown);
        strncat(l->text, more, sizeof l->text - 1 - strlen(l->text));
    }
    return l->text;
}
