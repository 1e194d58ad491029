/* SPDX-License-Identifier: MIT */
#include "ref/verify/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/base/file.h"

enum { PARTS = 3, DEEPEST = 16, COLOURS = 5 };

/* The colours from the best answer to the worst; the last one is for answers outside. */
static const char *const colours[COLOURS] = { "same", "near", "far", "open", "bad" };

static const char style[] =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
    "<title>pulse-ref verify</title><style>:root{color-scheme:light dark;--bad:#f6b8b8;--far:#fbe3b0;--near:#e5f2d8;--same:#d5ecf7;"
    "--open:#ddd;--line:#c33}@media(prefers-color-scheme:dark){:root{--bad:#6b2222;--far:#574312;--near:#25401c;--same:#17404f;"
    "--open:#444;--line:#e66}}body{font:14px/1.4 sans-serif;margin:2em auto;max-width:75em;padding:0 1em;overflow-wrap:anywhere}"
    "summary{cursor:pointer;padding:0 .3em;margin:1px 0}details{margin-left:1em}p.line{margin:1px 0 1px 1em;padding:0 .3em;"
    "font:12px/1.4 monospace}.top{margin:1em 0;padding:.6em;border:1px solid var(--line)}.key span{padding:0 .4em;margin-right:.4em}"
    ".bad{background:var(--bad)}.far{background:var(--far)}.near{background:var(--near)}.same{background:var(--same)}"
    ".open{background:var(--open)}@media(max-width:40em){body{margin:1em auto;padding:0 .5em}details{margin-left:.5em}"
    "p.line{margin-left:.3em}}</style>";

static const char key[] =
    "<p class=key><span class=bad>outside</span><span class=far>within, above the noise</span><span class=near>within</span>"
    "<span class=same>bit-exact</span><span class=open>not judged</span></p>\n"
    "<p>A fold has the colour of the worst answer in it, and is open where that is outside.</p>\n";

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

static size_t colour(const json_t *line)
{
    const char *verdict = text_of(line, "verdict");
    if (outside(line))
        return 4;
    if (strcmp(verdict, "BITEXACT") == 0)
        return 0;
    if (strcmp(verdict, "WITHIN") != 0)
        return 3;
    return json_number_value(json_object_get(line, "ratio")) > 1 ? 2 : 1;
}

/* The length of the case's name, the first two parts of the path; 0: the path is the name of a tensor of a trace. */
static size_t case_length(const char *where)
{
    const char *first = strchr(where, '/'), *second = first ? strchr(first + 1, '/') : NULL;
    return second ? (size_t)(second - where) : first ? strlen(where) : 0;
}

/* The name of the answer alone, without its case and without "hooked.". */
static const char *answer_of(const char *where)
{
    size_t n = case_length(where);
    const char *name = where + n + (where[n] == '/');
    return strncmp(name, "hooked.", 7) == 0 ? name + 7 : name;
}

/* Which part of a step the answer belongs to: 0 the forward pass, 1 the backward pass, 2 the update. */
static int part_of(const char *name)
{
    static const char *const update[] = { "after.", "adam.", "sgd.", "clip@", "optimiser@" };
    const char *at = strrchr(name, '@');
    for (size_t k = 0; k < sizeof update / sizeof *update; k++)
        if (strncmp(name, update[k], strlen(update[k])) == 0)
            return 2;
    return strncmp(at ? at + 1 : name, "grad.", 5) == 0 || strncmp(name, "dz.", 3) == 0;
}

enum { LONGEST = 512 };

/* Splits the name of an answer. `module` becomes its module, or "" if it has none; for a result of the whole step it
 * becomes the family, such as "grad", "after" or "adam". Returns the rest of the name. */
static const char *module_of(const char *name, char module[LONGEST])
{
    const char *at = strrchr(name, '@'), *cut = at ? at : strchr(name, '.');
    snprintf(module, LONGEST, "%.*s", cut ? (int)(cut - name) : 0, name);
    return cut ? cut + 1 : name;
}

static void put_line(FILE *to, const json_t *line, const char *name)
{
    fprintf(to, "<p class=\"line %s\">%s ", colours[colour(line)], text_of(line, "verdict"));
    put_text(to, name, strlen(name));
    if (*text_of(line, "what"))
        fputs(": ", to);
    put_text(to, text_of(line, "what"), strlen(text_of(line, "what")));
    fputs("</p>\n", to);
}

/* The lines of one part of a case; part PARTS: of the whole case. */
typedef struct { const json_t *lines; const char *id; size_t length; int part; } Group;

static bool belongs(const Group *g, const json_t *line)
{
    const char *where = text_of(line, "where");
    return case_length(where) == g->length && strncmp(where, g->id, g->length) == 0
        && (g->part == PARTS || part_of(answer_of(where)) == g->part);
}

/* Begins the fold of a module, whose name is the first n bytes of `module`, in the colour of the worst answer in it.
 * The fold is open if that answer is outside. */
static void begin_fold(FILE *to, const Group *g, const char *module, size_t n)
{
    size_t worst = 0;
    for (size_t k = 0; k < json_array_size(g->lines); k++) {
        const json_t *line = json_array_get(g->lines, k);
        char own[LONGEST];
        module_of(answer_of(text_of(line, "where")), own);
        bool below = strncmp(own, module, n) == 0 && (n == 0 || own[n] == '.' || !own[n]);
        if (below && belongs(g, line) && colour(line) > worst)
            worst = colour(line);
    }
    fprintf(to, "<details%s><summary class=%s>", worst == COLOURS - 1 ? " open" : "", colours[worst]);
}

/* The folds around the last line that was written. Fold k is the module that is the first end[k] bytes of `path`. */
typedef struct { char path[LONGEST]; size_t end[DEEPEST], depth; } Folds;

static void open_folds(FILE *to, const Group *g, Folds *o, const char *module)
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
        begin_fold(to, g, module, end);
        put_text(to, name, end - (size_t)(name - module));
        fputs("</summary>\n", to);
        o->end[o->depth++] = from = end;
    }
}

static void put_part(FILE *to, const Group *g)
{
    static const char *const titles[PARTS] = { "forward", "backward", "update" };
    Folds o = { .depth = 0 };
    size_t count = 0;
    for (size_t k = 0; k < json_array_size(g->lines); k++) {
        const json_t *line = json_array_get(g->lines, k);
        char module[LONGEST];
        const char *rest = module_of(answer_of(text_of(line, "where")), module);
        if (!belongs(g, line))
            continue;
        if (count++ == 0) {
            begin_fold(to, g, "", 0);
            fprintf(to, "%s</summary>\n", titles[g->part]);
        }
        open_folds(to, g, &o, module);
        put_line(to, line, rest);
    }
    open_folds(to, g, &o, "");
    if (count)
        fputs("</details>\n", to);
}

/* Whether line k is the first one of its case. The whole case is written there. */
static bool first_of_case(const json_t *lines, size_t k, const char *id, size_t length)
{
    for (size_t i = 0; i < k; i++) {
        const char *other = text_of(json_array_get(lines, i), "where");
        if (case_length(other) == length && strncmp(other, id, length) == 0)
            return false;
    }
    return true;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* The first answer that is outside, and in *formula how it should have been computed. For a step this is the
 * answer that its summary names. Otherwise the forward pass comes before the backward pass, and this before the
 * update. NULL: no answer is outside. */
static const json_t *first_outside(const json_t *lines, const json_t **formula)
{
    const json_t *first = NULL;
    const char *named = NULL;
    *formula = NULL;
    for (size_t k = 0; k < json_array_size(lines) && !named; k++) {
        named = json_string_value(json_object_get(json_array_get(lines, k), "first"));
        *formula = named ? json_object_get(json_array_get(lines, k), "formula") : NULL;
    }
    for (size_t k = 0; k < json_array_size(lines); k++) {
        const json_t *line = json_array_get(lines, k);
        if (!outside(line) || (named && !ends_with(text_of(line, "where"), named)))
            continue;
        if (!first
            || part_of(answer_of(text_of(line, "where"))) < part_of(answer_of(text_of(first, "where"))))
            first = line;
    }
    *formula = named ? *formula : json_object_get(first, "formula");
    return first;
}

static void put_first(FILE *to, const json_t *lines)
{
    const json_t *formula, *first = first_outside(lines, &formula);
    if (!first)
        return;
    fputs("<div class=top>The first answer that is outside:", to);
    put_line(to, first, text_of(first, "where"));
    for (size_t k = 0; k < json_array_size(formula); k++) {
        const char *text = json_string_value(json_array_get(formula, k));
        fputs(k ? "<p class=line>" : "It should have been computed by:<p class=line>", to);
        put_text(to, text, strlen(text));
        fputs("</p>\n", to);
    }
    fputs("</div>\n", to);
}

static void put_all(FILE *to, const Findings *f, Arena *a)
{
    size_t count = json_array_size(f->lines);
    fputs(style, to);
    fputs("<h1>pulse-ref verify</h1><p>", to);
    const char *headline = findings_headline(f, a);
    put_text(to, headline, strlen(headline));
    fputs("</p>\n", to);
    fputs(key, to);
    put_first(to, f->lines);
    for (size_t k = 0; k < count; k++) {
        const char *id = text_of(json_array_get(f->lines, k), "where");
        size_t length = case_length(id);
        if (!first_of_case(f->lines, k, id, length))
            continue;
        Group g = { f->lines, id, length, PARTS };
        begin_fold(to, &g, "", 0);
        put_text(to, length ? id : "trace", length ? length : 5);
        fputs("</summary>\n", to);
        for (g.part = 0; g.part < PARTS; g.part++)
            put_part(to, &g);
        fputs("</details>\n", to);
    }
}

bool page_write(const Findings *f, const char *path, Arena *a, Error *e)
{
    TextWriter page;
    if (!text_begin(&page, e))
        return false;
    put_all(page.stream, f, a);
    const bool good = text_finish(&page, e) && file_write(path, page.text, page.size, e);
    free(page.text);
    return good;
}
