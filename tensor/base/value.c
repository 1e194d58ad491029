/* SPDX-License-Identifier: MIT */
#include "tensor/base/value.h"

#include <stdio.h>
#include <string.h>
#include "tensor/base/decimal.h"

/* The index of `text` in "a|b|c"; -1: it is not there. */
static int choice_of(const char *choices, const char *text)
{
    size_t n = strlen(text);
    for (int k = 0;; k++) {
        size_t length = strcspn(choices, "|");
        if (length == n && memcmp(choices, text, n) == 0)
            return k;
        if (choices[length] == 0)
            return -1;
        choices += length + 1;
    }
}

static bool in_range(const char *range, double x)
{
    const char *dots = strstr(range, "..");
    char low[32] = "";
    double limit;
    if (!dots)
        return true;
    snprintf(low, sizeof low, "%.*s", (int)(dots - range), range);
    bool open = dots[2] == '<';               // the upper end itself is not allowed
    const char *high = dots + 2 + open;
    return (!*low || (decimal_to_double(low, &limit) && x >= limit))
        && (!*high || (decimal_to_double(high, &limit) && (open ? x < limit : x <= limit)));
}

bool value_read(ValueType type, const char *range, const char *text, void *field, Arena *a)
{
    switch (type) {
    case TYPE_INT:
        return decimal_to_int(text, field) && in_range(range, (double)*(int64_t *)field);
    case TYPE_REAL:
        return decimal_to_float(text, field) && in_range(range, *(float *)field);
    case TYPE_BOOL:
        *(bool *)field = strcmp(text, "yes") == 0;
        return *(bool *)field || strcmp(text, "no") == 0;
    case TYPE_CHOICE:
        *(int *)field = choice_of(range, text);
        return *(int *)field >= 0;
    default:
        return (*(const char **)field = arena_text(a, text)) != NULL;
    }
}

bool value_refuse(ValueType type, const char *range, const char *name, const char *text, Error *e)
{
    static const char *const words[] = { "a whole number", "a number", "yes or no", "text", "one of" };
    const char *dots = strstr(range, "..");
    char low[32] = "";
    if (!dots)
        return error_set(e, "%s is \"%s\", expected %s%s%s", name, text, words[type], *range ? " " : "", range);
    const bool open = dots[2] == '<';
    const char *high = dots + 2 + open, *before = !*high || open ? " of at least " : " from ",
               *between = !*high ? "" : open ? " and below " : " to ";
    snprintf(low, sizeof low, "%.*s", (int)(dots - range), range);          // every range has a lower end
    return error_set(e, "%s is \"%s\", expected %s%s%s%s%s", name, text, words[type], before, low, between, high);
}

const char *value_type_name(ValueType type)
{
    return (const char *const[]){ "int", "real", "bool", "text", "choice" }[type];
}
