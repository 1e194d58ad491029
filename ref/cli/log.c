/* SPDX-License-Identifier: MIT */
#include "ref/cli/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/base/file.h"
#include "tensor/base/json.h"

/* Copies whole lines up to the last one of step `keep`; a line of a later step ends the copy. */
static void copy_lines(FILE *from, FILE *to, int64_t keep)
{
    char *line = NULL;
    size_t room = 0;
    long long step = 0, here;
    for (ssize_t n; (n = getline(&line, &room, from)) > 0 && line[n - 1] == '\n'; fputs(line, to)) {
        bool has_step = sscanf(line, "{\"step\": %lld", &here) == 1;
        if (has_step ? here > keep : step == keep)
            break;
        step = has_step ? here : step;
    }
    free(line);
}

static bool begin(const char *path, int64_t keep, Error *e)
{
    FileWriter w;
    FILE *before = keep ? fopen(path, "r") : NULL;
    bool good = file_begin(&w, path, e);
    if (good && before)
        copy_lines(before, w.stream, keep);
    if (before)
        fclose(before);
    return good && file_finish(&w, e);
}

bool log_open(const char *path, int64_t keep, FILE **log, Error *e)
{
    *log = begin(path, keep, e) ? fopen(path, "a") : NULL;
    if (*log)
        setvbuf(*log, NULL, _IOLBF, 1 << 16);
    return *log || error_io(e, "%s: cannot be written: %s", path, strerror(errno));
}

void log_step(FILE *log, int64_t step, const StepStats *s)
{
    char loss[32], loss_hex[32], norm[32], lr[32];
    fprintf(log, "{\"step\": %lld, \"loss\": %s, \"loss_hex\": \"%s\", \"grad_norm\": %s, \"lr\": %s, \"samples\": %zu, \"tokens\": %zu}\n",
            (long long)step, decimal_float(s->loss, loss), hex_double(s->loss, loss_hex), decimal_float(s->norm, norm),
            decimal_float(s->lr, lr), s->samples, s->tokens);
}

/* A loss that is NaN or infinite is written as a text, as everywhere in our JSON. */
void log_held_out(FILE *log, int64_t step, const HeldOut *h)
{
    double exact = (double)h->exact / (double)h->samples, right = (double)h->right / (double)h->tokens;
    const char *quote = h->loss - h->loss == 0 ? "" : "\"";
    char text[6][32];
    fprintf(log,
            "{\"step\": %lld, \"eval\": {\"loss\": %s%s%s, \"loss_hex\": \"%s\", \"exact_match\": %s, \"exact_match_hex\": "
            "\"%s\", \"token_accuracy\": %s, \"token_accuracy_hex\": \"%s\", \"exact\": %zu, \"samples\": %zu, \"right\": %zu, "
            "\"tokens\": %zu}}\n",
            (long long)step, quote, decimal_float(h->loss, text[0]), quote, hex_double(h->loss, text[1]),
            decimal_double(exact, text[2]), hex_double(exact, text[3]), decimal_double(right, text[4]),
            hex_double(right, text[5]), h->exact, h->samples, h->right, h->tokens);
}

void log_probe(FILE *log, int64_t step, const char *const *name, const int64_t *right, const int64_t *of, size_t n)
{
    fprintf(log, "{\"step\": %lld, \"probe\": {", (long long)step);
    for (size_t k = 0; k < n; k++)
        if (of[k])
            fprintf(log, "%s\"%s\": {\"right\": %lld, \"of\": %lld}", k ? ", " : "", name[k], (long long)right[k], (long long)of[k]);
        else
            fprintf(log, "%s\"%s\": null", k ? ", " : "", name[k]);
    fputs("}}\n", log);
}

bool log_close(FILE *log, const char *path, Error *e)
{
    bool written = !ferror(log);
    written = fclose(log) == 0 && written;
    return written || error_set(e, "%s: cannot be written, expected room for the log", path);
}
