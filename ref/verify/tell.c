/* SPDX-License-Identifier: MIT */
/* Prints the findings as text for people, or as JSON with one object on each line. */
#include "ref/verify/findings.h"

#include <stdio.h>
#include <string.h>
#include "ref/command.h"

enum { FEW = 16 };                       // how many lines stdout gets without --all

static const char *text_of(const json_t *line, const char *key)
{
    return json_string_value(json_object_get(line, key));
}
static bool has_verdict(const json_t *line, const char *verdict) { return strcmp(text_of(line, "verdict"), verdict) == 0; }

/* The order in which findings are printed: 0 sums up others or names a known mistake, 1 is outside, 2 is undecided, 3
 * is all else and what --partial leaves out. Only the first lines are printed, so a known mistake must come before
 * the many values that it changed. */
static int rank(const Findings *f, const json_t *line)
{
    if (f->partial && has_verdict(line, "MISSING"))
        return 3;
    if (has_verdict(line, "MODULES") || json_object_get(line, "mistake"))
        return 0;
    if (has_verdict(line, "OUTSIDE") || has_verdict(line, "MIS-SHAPED"))
        return 1;
    return has_verdict(line, "BITEXACT") || has_verdict(line, "WITHIN") || has_verdict(line, "NOISY") ? 3 : 2;
}

static void print_line(const json_t *line)
{
    const char *what = text_of(line, "what");
    printf("%-10s %s%s%s\n", text_of(line, "verdict"), text_of(line, "where"), *what ? ": " : "", what);
}

/* The length of the case's name in a path: of the first two parts of the path, or of its only part. */
static size_t case_length(const char *where)
{
    const char *first = strchr(where, '/'), *second = first ? strchr(first + 1, '/') : NULL;
    return second ? (size_t)(second - where) : strlen(where);
}

/* Prints one line for all missing answers of a case, which follow one another. Returns how
 * many findings the line covers. */
static size_t print_missing(const Findings *f, size_t k)
{
    const char *where = text_of(json_array_get(f->lines, k), "where");
    size_t length = case_length(where), count = 0, total = json_array_size(f->lines);
    for (; k + count < total; count++) {
        const json_t *line = json_array_get(f->lines, k + count);
        const char *other = text_of(line, "where");
        if (!has_verdict(line, "MISSING") || case_length(other) != length || strncmp(other, where, length) != 0)
            break;
    }
    if (count > 1)
        printf("%-10s %.*s: %zu answers, the first is %s\n", "MISSING", (int)length, where, count,
               where + length + (where[length] != 0));
    else
        print_line(json_array_get(f->lines, k));
    return count;
}

static void print_lines(const Findings *f)
{
    size_t printed = 0, hidden = 0, covered;
    for (int r = 0; r <= (f->all ? 3 : 2); r++)
        for (size_t k = 0; k < json_array_size(f->lines); k += covered) {
            const json_t *line = json_array_get(f->lines, k);
            covered = 1;
            if (rank(f, line) != r || (r == 3 && has_verdict(line, "BITEXACT") && !*text_of(line, "what")))
                continue;
            if (!f->all && printed >= FEW) {
                hidden++;
                continue;
            }
            printed++;
            if (has_verdict(line, "MISSING"))
                covered = print_missing(f, k);
            else
                print_line(line);
        }
    if (hidden)
        printf("%-10s %zu more lines (--all prints them)\n", "…", hidden);
}

static bool print_json(const Findings *f, Arena *a)
{
    json_t *at = json_array();
    for (Precision p = 0; p < PRECISIONS; p++)
        if (f->judged_at[p])
            json_add(at, json_string(precision_name(p)));
    bool good = true;
    for (size_t k = 0; good && k < json_array_size(f->lines); k++)
        good = json_print(stdout, json_array_get(f->lines, k), 0) && printf("\n") > 0;
    json_t *all = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:s}", "verdict", findings_verdict(f),
                            "bitexact", (json_int_t)f->exact, "within", (json_int_t)f->within,
                            "outside", (json_int_t)f->outside, "noisy", (json_int_t)f->noisy,
                            "unknown", (json_int_t)f->undecided, "left_out", (json_int_t)f->left_out,
                            "precisions", at, "headline", findings_headline(f, a));
    good = good && json_print(stdout, all, 0) && printf("\n") > 0;
    json_decref(all);
    return good;
}

int findings_print(const Findings *f, Arena *a)
{
    if (f->json && !print_json(f, a))
        return command_fail_text("verify: the findings could not be written as JSON");
    if (!f->json) {
        if (!f->quiet)
            print_lines(f);
        printf("%s\n", findings_headline(f, a));
    }
    if (f->outside)
        return EXIT_DIFFERENT;
    if (f->undecided)
        return command_fail_text("verify: %zu of what was asked for is missing, extra or damaged, expected all of it",
                                 f->undecided);
    return findings_judged(f) ? EXIT_SAME : command_fail_text("verify: nothing to judge");
}
