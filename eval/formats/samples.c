/* SPDX-License-Identifier: MIT */
#include "eval/formats/samples.h"

#include <string.h>
#include "eval/formats/mllmu.h"
#include "eval/formats/mmbench.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"

enum { FILE_MAX = 1 << 30 };

/* Whether the object of the line has an "ID". A line that is not JSON has none: its reader will say what is wrong. */
static bool is_person(const char *line, size_t n)
{
    Error ignored = { .failed = false };
    json_t *object = json_parse(line, n, "", &ignored);
    bool person = json_object_get(object, "ID") != NULL;
    json_decref(object);
    return person;
}

static bool named_tsv(const char *path)
{
    const size_t n = strlen(path);
    return n > 4 && strcmp(path + n - 4, ".tsv") == 0;
}

bool samples_format(SamplesFormat *out, const char *path, Error *e)
{
    Arena a = arena_make(e);
    const char *text = file_text(path, FILE_MAX, NULL, &a, e);
    const char *first = text ? text + strspn(text, " \t\r\n") : "";
    const size_t n = strcspn(first, "\n");
    if (text && *first == '[')
        error_set(e, "%s: is a JSON array, expected one object a line", path);
    *out = *first == '{'                                            ? is_person(first, n) ? SAMPLES_MLLMU : SAMPLES_OWN
         : *first && (memchr(first, '\t', n) || named_tsv(path)) ? SAMPLES_MMBENCH
                                                                    : SAMPLES_OWN;
    arena_free(&a);
    return !e->failed;
}

bool samples_open(Dataset *out, const char *path, Arena *a, Error *e)
{
    SamplesFormat format;
    Mmbench table;
    *out = (Dataset){ .count = 0 };
    if (!samples_format(&format, path, e))
        return false;
    if (format != SAMPLES_MMBENCH)
        return format == SAMPLES_MLLMU ? mllmu_read(out, path, a, e) : dataset_read(out, path, a, e);
    bool good = mmbench_read(&table, path, a, e);
    *out = table.samples;
    return good;
}
