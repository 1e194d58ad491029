/* SPDX-License-Identifier: MIT */
#include "ref/verify/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/base/file.h"

enum { PARTS = 3, DEEPEST = 16 };

static const char style[] =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>pulse-ref verify</title><style>"
    "body{font:14px/1.4 sans-serif;margin:2em;max-width:75em}summary{cursor:pointer}details{margin-left:1em}"
    "p{margin:0 0 0 1em;font-family:monospace;font-size:12px}.top{margin:1em 0;padding:.6em;border:1px solid #c33}"
    ".bad{background:#f6b8b8}.far{background:#fbe3b0}.near{background:#e5f2d8}.same{background:#d5ecf7}.open{background:#ddd}</style>";

static const char *text_of(const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));
    return text ? text : "";
}

static void put_text(FILE *to, const char *text, size_t n)
{
    for (size_t i = 0; i < n && text[i]; i++)
        switch (text[i]) {
        case '<': fputs("&lt;", to); break;
        case '>': fputs("&gt;", to); break;
        case '&': fputs("&amp;", to); break;
        default:  fputc(text[i], to);
        }
}

static bool outside(const json_t *line) { return strcmp(text_of(line, "verdict"), "OUTSIDE") == 0
        || strcmp(text_of(line, "verdict"), "MIS-SHAPED") == 0; }

static const char *colour(const json_t *line)
{
    const char *verdict = text_of(line, "verdict");
    if (outside(line))
        return "bad";
    if (strcmp(verdict, "BITEXACT") == 0)
        return "same";
    if (strcmp(verdict, "WITHIN") != 0)
        return "open";
    return json_number_value(json_object_get(line, "ratio")) > 1 ? "far" : "near";
}

/* The case's part of a path: two folders; 0: the path names a tensor of a trace. */
static size_t case_length(const char *where)
{
    const char *first = strchr(where, '/'), *second = first ? strchr(first + 1, '/') : NULL;
    return second ? (size_t)(second - where) : first ? strlen(where) : 0;
}

/* The answer below its case, without "hooked.". */
static const char *answer_of(const char *where)
{
    size_t n = case_length(where);
    const char *name = where + n + (where[n] == '/');
    return strncmp(name, "hooked.", 7) == 0 ? name + 7 : name;
}

/* 0 forward, 1 backward, 2 update. */
static int part_of(const char *name)
{
    static const char *const update[] = { "after.", "adam.", "sgd.", "clip@", "optimiser@" };
    const char *at = strrchr(name, '@');
    for (size_t k = 0; k < sizeof update / sizeof *update; k++)
        if (strncmp(name, update[k], strlen(update[k])) == 0)
            return 2;
    return strncmp(at ? at + 1 : name, "grad.", 5) == 0 || strncmp(name, "dz.", 3) == 0;
}

static void put_line(FILE *to, const json_t *line, const char *name)
{
    fprintf(to, "<p class=%s>%s ", colour(line), text_of(line, "verdict"));
    put_text(to, name, strlen(name));
    if (*text_of(line, "what"))
        fputs(": ", to);
    put_text(to, text_of(line, "what"), strlen(text_of(line, "what")));
    fputs("</p>\n", to);
}

/* Folds that are open: the modules above the line before. */
typedef struct { char path[512]; size_t end[DEEPEST], depth; } Folds;

static void open_folds(FILE *to, Folds *o, const char *module)
{
    size_t keep = 0, n = strlen(module);
    while (keep < o->depth && o->end[keep] <= n && strncmp(o->path, module, o->end[keep]) == 0 && (module[o->end[keep]] == '.'
            || !module[o->end[keep]]))
        keep++;
    for (; o->depth > keep; o->depth--)
        fputs("</details>\n", to);
    snprintf(o->path, sizeof o->path, "%s", module);
    for (size_t from = keep ? o->end[keep - 1] : 0; from < n && n < sizeof o->path && o->depth < DEEPEST;) {
        const char *name = module + from + (from > 0), *dot = strchr(name, '.');
        size_t end = dot ? (size_t)(dot - module) : n;
        fputs("<details open><summary>", to);
        put_text(to, name, end - (size_t)(name - module));
        fputs("</summary>\n", to);
        o->end[o->depth++] = from = end;
    }
}

static void put_part(FILE *to, const json_t *lines, const char *id, size_t length, int part)
{
    static const char *const titles[PARTS] = { "forward", "backward", "update" };
    Folds o = { .depth = 0 };
    size_t count = 0;
    for (size_t k = 0; k < json_array_size(lines); k++) {
        const json_t *line = json_array_get(lines, k);
        const char *where = text_of(line, "where"), *name = answer_of(where), *at = strrchr(name, '@');
        char module[512] = "";
        if (case_length(where) != length || strncmp(where, id, length) != 0 || part_of(name) != part)
            continue;
        if (count++ == 0)
            fprintf(to, "<details open><summary>%s</summary>\n", titles[part]);
        if (at && at - name < (ptrdiff_t)sizeof module)
            snprintf(module, sizeof module, "%.*s", (int)(at - name), name);
        open_folds(to, &o, module);
        put_line(to, line, at ? at + 1 : name);
    }
    open_folds(to, &o, "");
    if (count)
        fputs("</details>\n", to);
}

/* The place of the first line of a case is where the case is written. */
static bool first_of_case(const json_t *lines, size_t k, const char *id, size_t length)
{
    for (size_t i = 0; i < k; i++) {
        const char *other = text_of(json_array_get(lines, i), "where");
        if (case_length(other) == length && strncmp(other, id, length) == 0)
            return false;
    }
    return true;
}

static void put_all(FILE *to, const Findings *f, Arena *a)
{
    size_t first = 0, count = json_array_size(f->lines);
    while (first < count && !outside(json_array_get(f->lines, first)))
        first++;
    fputs(style, to);
    fputs("<h1>pulse-ref verify</h1><p>", to);
    const char *headline = findings_headline(f, a);
    put_text(to, headline, strlen(headline));
    fputs("</p>\n", to);
    if (first < count) {
        fputs("<div class=top>The first answer that is outside:", to);
        put_line(to, json_array_get(f->lines, first), text_of(json_array_get(f->lines, first), "where"));
        fputs("</div>\n", to);
    }
    for (size_t k = 0; k < count; k++) {
        const char *id = text_of(json_array_get(f->lines, k), "where");
        size_t length = case_length(id);
        if (!first_of_case(f->lines, k, id, length))
            continue;
        fputs("<details open><summary>", to);
        put_text(to, length ? id : "trace", length ? length : 5);
        fputs("</summary>\n", to);
        for (int part = 0; part < PARTS; part++)
            put_part(to, f->lines, id, length, part);
        fputs("</details>\n", to);
    }
}

bool page_write(const Findings *f, const char *path, Arena *a, Error *e)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (!to)
        return error_no_memory(e, "verify: no memory for the page");
    put_all(to, f, a);
    bool whole = !ferror(to);
    whole = fclose(to) == 0 && whole;
    bool good = whole ? file_write(path, text, size, e) : error_no_memory(e, "verify: no memory for the page");
    free(text);
    return good;
}
