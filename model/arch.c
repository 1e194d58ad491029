/* SPDX-License-Identifier: MIT */
#include "model/arch.h"

#include <string.h>

#define ARCHITECTURE(name) &architecture_##name,
const Architecture *const architectures[] = {
#include "model/arch.def"
};
#undef ARCHITECTURE
const size_t architectures_count = sizeof architectures / sizeof *architectures;

const Architecture *architecture_find(const char *model_type)
{
    for (size_t i = 0; i < architectures_count; i++)
        if (!strcmp(architectures[i]->model_type, model_type))
            return architectures[i];
    return NULL;
}

const char *architecture_names(Arena *a)
{
    const char *list = arena_format(a, "\"%s\"", architectures[0]->model_type);
    for (size_t i = 1; list && i < architectures_count; i++)
        list = arena_format(a, "%s or \"%s\"", list, architectures[i]->model_type);
    return list;
}
