/* SPDX-License-Identifier: MIT */
#include "ref/cli/log.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tensor/base/limits.h"

/* The text of the log, whose first mark->bytes bytes are those that were there when the checkpoint was written. NULL:
 * these bytes are missing or were changed, or the log cannot be read. */
static char *marked(const char *path, const LogMark *mark, Arena *a, Error *e)
{
    size_t n;
    char *text = file_read(path, LIMIT_LOG, &n, a, e);
    if (text && (n < (size_t)mark->bytes || strcmp(digest_bytes(text, (size_t)mark->bytes).hex, mark->digest.hex) != 0))
        return error_set(e, "%s: its first %lld bytes are not those that the checkpoint knows; remove the checkpoint to begin anew", path,
                         (long long)mark->bytes), NULL;
    return text;
}

/* Cuts the log to its first mark->bytes bytes. Where mark is NULL or has 0 bytes, the log becomes empty. */
static bool write_marked(const char *path, const LogMark *mark, Error *e)
{
    Arena a = arena_make(e);
    const size_t n = mark ? (size_t)mark->bytes : 0;
    const char *text = n ? marked(path, mark, &a, e) : "";
    const bool good = text && file_write(path, text, n, e);
    arena_free(&a);
    return good;
}

bool log_open(const char *path, const LogMark *mark, FILE **log, Error *e)
{
    *log = NULL;
    if (!write_marked(path, mark, e))
        return false;
    *log = fopen(path, "a");
    if (*log)
        setvbuf(*log, NULL, _IOLBF, 1 << 16);
    return *log || error_io(e, "%s: cannot be written: %s", path, strerror(errno));
}

static bool on_disk(FILE *log, const char *path, Error *e)
{
    errno = 0;
    return (fflush(log) == 0 && !ferror(log) && fsync(fileno(log)) == 0)
        || error_io(e, "%s: cannot be written: %s", path, errno ? strerror(errno) : "an earlier write to it failed");
}

bool log_mark(FILE *log, const char *path, LogMark *mark, Error *e)
{
    Arena a = arena_make(e);
    size_t n = 0;
    char *text = on_disk(log, path, e) ? file_read(path, LIMIT_LOG, &n, &a, e) : NULL;
    if (text)
        *mark = (LogMark){ (int64_t)n, digest_bytes(text, n) };
    arena_free(&a);
    return text != NULL;
}

void log_step(FILE *log, int64_t step, const StepStats *s)
{
    char loss[32], loss_hex[32], norm[32], lr[32];
    fprintf(log, "{\"step\": %lld, \"loss\": %s, \"loss_hex\": \"%s\", \"grad_norm\": %s, \"lr\": %s, \"samples\": %zu, \"tokens\": %zu}\n",
            (long long)step, decimal_float(s->loss, loss), hex_double(s->loss, loss_hex), decimal_float(s->norm, norm),
            decimal_float(s->lr, lr), s->samples, s->tokens);
}

/* A loss that is NaN or infinite is written as a text, as everywhere in our JSON. (log_step never gets such a loss,
 * because the step fails.) */
void log_held_out(FILE *log, int64_t step, const HeldOut *h)
{
    double exact_share = (double)h->exact / (double)h->samples, right_share = (double)h->right / (double)h->tokens;
    const char *quote = h->loss - h->loss == 0 ? "" : "\"";
    char text[6][32];
    fprintf(log,
            "{\"step\": %lld, \"eval\": {\"loss\": %s%s%s, \"loss_hex\": \"%s\", \"exact_match\": %s, \"exact_match_hex\": "
            "\"%s\", \"token_accuracy\": %s, \"token_accuracy_hex\": \"%s\", \"exact\": %zu, \"samples\": %zu, \"right\": %zu, "
            "\"tokens\": %zu}}\n",
            (long long)step, quote, decimal_float(h->loss, text[0]), quote, hex_double(h->loss, text[1]),
            decimal_double(exact_share, text[2]), hex_double(exact_share, text[3]), decimal_double(right_share, text[4]),
            hex_double(right_share, text[5]), h->exact, h->samples, h->right, h->tokens);
}

void log_probe(FILE *log, int64_t step, const char *const *name, const int64_t *right, const int64_t *asked, size_t n)
{
    fprintf(log, "{\"step\": %lld, \"probe\": {", (long long)step);
    for (size_t k = 0; k < n; k++)
        if (asked[k])
            fprintf(log, "%s\"%s\": {\"right\": %lld, \"of\": %lld}", k ? ", " : "", name[k], (long long)right[k], (long long)asked[k]);
        else
            fprintf(log, "%s\"%s\": null", k ? ", " : "", name[k]);
    fputs("}}\n", log);
}

bool log_close(FILE *log, const char *path, Error *e)
{
    const bool written = on_disk(log, path, e);
    return (fclose(log) == 0 && written) || error_io(e, "%s: cannot be written: %s", path, strerror(errno));
}
