/* SPDX-License-Identifier: MIT */
#include "eval/formats/samples.h"

#include <string.h>
#include "eval/formats/conversations.h"
#include "eval/formats/mllmu.h"
#include "eval/formats/mmbench.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tensor/base/limits.h"

const char *samples_format_name(SamplesFormat f)
{
    static const char *const names[SAMPLES_FORMATS] = {
        [SAMPLES_OWN] = "samples, one a line",
        [SAMPLES_MLLMU] = "MLLMU-Bench, converted",
        [SAMPLES_MMBENCH] = "MMBench",
        [SAMPLES_CONVERSATIONS] = "LLaVA conversations"
    };
    return names[f];
}

/* The format of a file whose first line is this object. A line that is not JSON counts as our own format, whose reader
 * will say what is wrong. */
static SamplesFormat object_format(const char *line, size_t n, const char *path, Error *e)
{
    Error why = { .failed = false };
    json_t *object = json_parse(line, n, path, &why);
    const SamplesFormat f = json_object_get(object, "ID")            ? SAMPLES_MLLMU
                          : json_object_get(object, "conversations") ? SAMPLES_CONVERSATIONS
                                                                     : SAMPLES_OWN;
    json_decref(object);
    if (why.kind == ERROR_MEMORY)
        *e = why;
    return f;
}

static bool named_tsv(const char *path)
{
    const size_t n = strlen(path);
    return n > 4 && strcmp(path + n - 4, ".tsv") == 0;
}

bool samples_format(SamplesFormat *out, const char *path, Error *e)
{
    Arena a = arena_make(e);
    const char *text = file_text(path, LIMIT_TABLE, NULL, &a, e);
    const char *first = text ? text + strspn(text, " \t\r\n") : "";
    const size_t n = strcspn(first, "\n");
    if (*first != '[' && *first != '{' && memchr(first, ',', n) && !memchr(first, '\t', n) && !named_tsv(path))
        error_set(e, "%s:1: looks like a table with commas, expected one with tabs (MMBench's TSV) or JSON, one sample a line", path);
    *out = *first == '['                                            ? SAMPLES_CONVERSATIONS
         : *first == '{'                                            ? object_format(first, n, path, e)
         : *first && (memchr(first, '\t', n) || named_tsv(path)) ? SAMPLES_MMBENCH
                                                                    : SAMPLES_OWN;
    arena_free(&a);
    return !e->failed;
}

bool samples_open(Dataset *out, const char *path, Arena *a, Error *e)
{
    return samples_open_some(out, path, NULL, a, e);
}

bool samples_open_some(Dataset *out, const char *path, ErrorList *errors, Arena *a, Error *e)
{
    SamplesFormat format;
    Mmbench table;
    *out = (Dataset){ .count = 0 };
    if (!samples_format(&format, path, e))
        return false;
    if (format == SAMPLES_OWN)
        return dataset_read_some(out, path, errors, a, e);
    if (format == SAMPLES_MLLMU)
        return mllmu_read_some(out, path, errors, a, e);
    if (format == SAMPLES_CONVERSATIONS)
        return conversations_read(out, path, errors, a, e);
    bool good = mmbench_read_some(&table, path, errors, a, e);
    *out = table.samples;
    return good;
}
