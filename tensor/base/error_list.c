/* SPDX-License-Identifier: MIT */
#include "tensor/base/error_list.h"

#include <string.h>

/* Makes room for one more sentence; the list doubles. */
static bool grow(ErrorList *list)
{
    if (list->count < list->capacity)
        return true;
    const size_t capacity = list->capacity ? 2 * list->capacity : 64;
    const char **larger = arena_array(list->arena, capacity, sizeof *larger);
    if (larger && list->count)
        memcpy(larger, list->sentence, list->count * sizeof *larger);
    list->sentence = larger;
    list->capacity = larger ? capacity : 0;
    return larger != NULL;
}

bool error_list_take(ErrorList *list, Error *e)
{
    if (!list || e->kind == ERROR_MEMORY)
        return false;
    const Error failure = *e;
    *e = (Error){ .failed = false };
    for (size_t k = 0; k < list->count; k++)                // two passes may find the same error
        if (strcmp(list->sentence[k], failure.text) == 0)
            return true;
    if (!grow(list) || !(list->sentence[list->count] = arena_text(list->arena, failure.text)))
        return false;
    list->count++;
    return true;
}
