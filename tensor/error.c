/* SPDX-License-Identifier: MIT */
#include "tensor/error.h"

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
        char sentence[sizeof e->text], context[256];
        va_list args;
        va_start(args, format);
        vsnprintf(context, sizeof context, format, args);
        va_end(args);
        memcpy(sentence, e->text, sizeof sentence);
        size_t used = strlen(context);
        memcpy(e->text, context, used);
        snprintf(e->text + used, sizeof e->text - used, ": %s", sentence);
    }
    return false;
}
