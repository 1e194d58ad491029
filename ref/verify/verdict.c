/* SPDX-License-Identifier: MIT */
#include "ref/verify/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "ref/command.h"

static size_t *count_of(Findings *f, const char *verdict)
{
    const struct { const char *verdict; size_t *count; } counts[] = {
        { "BITEXACT", &f->exact }, { "WITHIN", &f->within }, { "OUTSIDE", &f->outside }, { "END-TO-END", &f->unbounded },
        { "MODULES", &f->summed },
    };
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
        if (strcmp(counts[k].verdict, verdict) == 0)
            return counts[k].count;
    return &f->undecided;
}

void finding(Findings *f, const char *where, const char *verdict, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ++*count_of(f, verdict);
    if (f->json)
        json_add(f->lines, json_pack("{s:s, s:s, s:s}", "where", where, "verdict", verdict, "what", text));
    else if (!f->quiet && (strcmp(verdict, "BITEXACT") != 0 || *text))
        printf("%-10s %s%s%s\n", verdict, where, *text ? ": " : "", text);
}

int findings_tell(const Findings *f)
{
    const char *verdict = f->undecided ? "UNKNOWN" : f->outside ? "OUTSIDE" : f->within ? "WITHIN" : "BITEXACT";
    if (f->json) {
        json_t *all = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:O}", "verdict", verdict, "bitexact", (json_int_t)f->exact,
                                "within", (json_int_t)f->within, "outside", (json_int_t)f->outside, "end_to_end",
                                (json_int_t)f->unbounded, "unknown", (json_int_t)f->undecided, "findings", f->lines);
        command_tell(all);
    } else {
        printf("%s: %zu bitexact, %zu within, %zu outside, %zu end to end, %zu missing, extra or damaged\n", verdict, f->exact,
               f->within, f->outside, f->unbounded, f->undecided);
    }
    if (f->undecided)
        return command_fail_text("verify: %zu of what was asked for is missing, extra or damaged, expected all of it", f->undecided);
    return f->outside ? EXIT_DIFFERENT : EXIT_SAME;
}
