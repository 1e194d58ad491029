/* SPDX-License-Identifier: MIT */
#include "tensor/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool error_set(Error *e, const char *format, ...)
{
    if (e && !e->failed) {
        va_list args;
        va_start(args, format);
        vsnprintf(e->text, sizeof e->text, format, args);
        va_end(args);
        e->failed = true;
    }
    return false;
}

bool error_prefix(Error *e, const char *format, ...)
{
    if (e && e->failed) {
        char sentence[sizeof e->text];
        memcpy(sentence, e->text, sizeof sentence);
        va_list args;
        va_start(args, format);
        vsnprintf(e->text, sizeof e->text / 2, format, args);
        va_end(args);
        size_t used = strlen(e->text), room = sizeof e->text - used;
        if (snprintf(e->text + used, room, ": %s", sentence) >= (int)room)
            e->text[sizeof e->text - 1] = 0;
    }
    return false;
}
