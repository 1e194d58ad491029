/* SPDX-License-Identifier: MIT */
#include "eval/csv.h"

#include <math.h>
#include <string.h>
#include "tensor/base/decimal.h"
#include "tensor/base/file.h"
#include "tensor/base/limits.h"

#define VALUE_MOST 1e300              // the largest |value|, so that percentages and means stay finite

char *csv_text(const Csv *t, const char *name)
{
    size_t n = strlen(name), column = 0;
    for (const char *at = t->header;; column++) {
        size_t length = strcspn(at, ",");
        if (length == n && memcmp(at, name, n) == 0)
            return t->field[column];
        if (at[length] == 0)
            return NULL;
        at += length + 1;
    }
}

bool csv_whole(const Csv *t, const char *name, bool may_be_empty, int64_t *out)
{
    const char *text = csv_text(t, name);
    *out = 0;
    if (!text || (may_be_empty && !*text))
        return true;
    return (decimal_to_int(text, out) && *out >= 0)
        || error_set(t->error, "%s:%zu: %s is \"%.40s\", expected a whole number, 0 or more", t->path, t->line, name, text);
}

bool csv_number(const Csv *t, const char *name, double *out)
{
    static const char *const nothing[] = { "", "NaN", "nan", "-nan", "inf", "-inf" };
    const char *text = csv_text(t, name);
    *out = NAN;
    for (size_t k = 0; k < sizeof nothing / sizeof *nothing; k++)
        if (strcmp(text, nothing[k]) == 0)
            return true;
    return (decimal_to_double(text, out) && fabs(*out) <= VALUE_MOST)
        || error_set(t->error, "%s:%zu: %s is \"%.40s\", expected a number from -1e300 to 1e300", t->path, t->line, name, text);
}

/* Cuts a line into its fields, in place. */
static bool cut(Csv *t, char *line)
{
    size_t n = 0;
    for (char *at = line; at; n++) {
        char *comma = strchr(at, ',');
        if (comma)
            *comma++ = 0;
        if (strlen(at) > LIMIT_RESULT_FIELD)
            return error_set(t->error, "%s:%zu: field %zu has %zu bytes, expected at most %d", t->path, t->line, n + 1,
                             strlen(at), LIMIT_RESULT_FIELD);
        if (n < CSV_FIELDS)
            t->field[n] = at;
        at = comma;
    }
    return n == t->fields || error_set(t->error, "%s:%zu: the line has %zu fields, expected %zu", t->path, t->line, n, t->fields);
}

static char *next_line(Csv *t)
{
    char *line = t->at, *end = strchr(line, '\n');
    if (!*line)
        return NULL;
    t->line++;
    t->at = end ? end + 1 : line + strlen(line);
    if (end)
        *end = 0;
    size_t n = strlen(line);
    if (n && line[n - 1] == '\r')
        line[n - 1] = 0;
    return line;
}

bool csv_open(Csv *t, const char *path, const char *header, Arena *a, Error *e)
{
    size_t size;
    const char *line;
    *t = (Csv){ .path = path, .header = header, .fields = 1, .lines = 1, .error = e, .at = file_text(path, LIMIT_RESULTS, &size, a, e) };
    if (!t->at)
        return false;
    if (strlen(t->at) != size)
        return error_set(e, "%s: holds a zero byte, expected text", path);
    for (const char *p = header; *p; p++)
        t->fields += *p == ',';
    for (size_t k = 0; k < size; k++)
        t->lines += t->at[k] == '\n';
    return ((line = next_line(t)) && strcmp(line, header) == 0)
        || error_set(e, "%s:1: the header is \"%.120s\", expected \"%s\"", path, line ? line : "", header);
}

bool csv_next(Csv *t)
{
    char *line;
    while ((line = next_line(t)))
        if (*line)
            return cut(t, line);
    return false;
}
