/* SPDX-License-Identifier: MIT */
#include "tensor/base/faults.h"

#include <string.h>

/* Makes room for one more sentence; the list doubles. */
static bool grow(Faults *f)
{
    if (f->count < f->room)
        return true;
    const size_t room = f->room ? 2 * f->room : 64;
    const char **larger = arena_array(f->arena, room, sizeof *larger);
    if (larger && f->count)
        memcpy(larger, f->sentence, f->count * sizeof *larger);
    f->sentence = larger;
    f->room = larger ? room : 0;
    return larger != NULL;
}

bool faults_take(Faults *f, Error *e)
{
    if (!f || e->kind == ERROR_MEMORY)
        return false;
    const Error failure = *e;
    *e = (Error){ .failed = false };
    for (size_t k = 0; k < f->count; k++)                   // two passes may find the same fault
        if (strcmp(f->sentence[k], failure.text) == 0)
            return true;
    if (!grow(f) || !(f->sentence[f->count] = arena_text(f->arena, failure.text)))
        return false;
    f->count++;
    return true;
}
