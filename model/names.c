/* SPDX-License-Identifier: MIT */
#include "model/names.h"

#include <stdio.h>
#include <string.h>
#include "model/arch.h"

/* Whether the one pattern from p to `end` matches the whole name. The depth of the recursion is at most the number of
 * stars in the pattern. */
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

static bool begins(const char *name, const char *with)
{
    return !strncmp(name, with, strlen(with));
}

const char *name_hub(const char *name, Arena *a)
{
    for (size_t k = 0; k < architectures_count; k++)
        for (size_t i = 0; i < architectures[k]->layout_count; i++) {
            const NameLayout *l = &architectures[k]->layouts[i];
            if (begins(name, l->other))
                return arena_format(a, "%s%s", l->hub, name + strlen(l->other));
        }
    return arena_text(a, name);
}

const char *name_memory(const char *hub, Arena *a)
{
    for (size_t k = 0; k < architectures_count; k++)
        for (size_t i = 0; i < architectures[k]->layout_count; i++) {
            const NameLayout *l = &architectures[k]->layouts[i];
            if (l->in_memory && begins(hub, l->hub))
                return arena_format(a, "%s%s", l->other, hub + strlen(l->hub));
        }
    return arena_text(a, hub);
}

void name_list_add(NameList *l, const char *name)
{
    size_t used = strlen(l->text), space = sizeof l->text - 30 - used;       // 30 bytes are left for " and N more"
    if (l->count++ == l->shown && l->shown < 8 && strlen(name) + 3 < space) {
        snprintf(l->text + used, space, "%s%s", l->shown ? ", " : "", name);
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
