/* SPDX-License-Identifier: MIT */
#include "tensor/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool record(Error *e, ErrorKind kind, const char *format, va_list args)
{
    if (e && !e->failed) {
        vsnprintf(e->text, sizeof e->text, format, args);
        e->kind = kind;
        e->failed = true;
    }
    return false;
}

bool error_set(Error *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    record(e, ERROR_INPUT, format, args);
    va_end(args);
    return false;
}

bool error_set_kind(Error *e, ErrorKind kind, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    record(e, kind, format, args);
    va_end(args);
    return false;
}

bool error_no_memory(Error *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    record(e, ERROR_MEMORY, format, args);
    va_end(args);
    return false;
}

bool error_io(Error *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    record(e, ERROR_IO, format, args);
    va_end(args);
    return false;
}

bool error_prefix(Error *e, const char *format, ...)
{
    if (e && e->failed) {
        char sentence[sizeof e->text];
        memcpy(sentence, e->text, sizeof sentence);
        va_list args;
        va_start(args, format);
        vsnprintf(e->text, sizeof e->text / 2, format, args);          // at most half: the sentence needs room
        va_end(args);
        size_t used = strlen(e->text), space = sizeof e->text - used;
        if (snprintf(e->text + used, space, ": %s", sentence) >= (int)space)
            e->text[sizeof e->text - 1] = 0;                            // the text was cut; compilers warn if this is not tested
    }
    return false;
}

const char *error_kind_name(ErrorKind kind)
{
    static const char *const names[ERROR_KINDS] = { "no error", "bad input", "no memory", "input or output",
                                                    "environment", "undecided" };
    return names[kind];
}
