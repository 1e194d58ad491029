/* SPDX-License-Identifier: MIT */
#include "ref/verify/findings.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static size_t *count_of(Findings *f, const char *verdict)
{
    const struct { const char *verdict; size_t *count; } counts[] = {
        { "BITEXACT", &f->exact }, { "WITHIN", &f->within }, { "OUTSIDE", &f->outside }, { "MIS-SHAPED", &f->outside },
        { "NOISY", &f->noisy }, { "MODULES", &f->summed }, { "MISSING", f->partial ? &f->left_out : &f->undecided },
    };
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
        if (strcmp(counts[k].verdict, verdict) == 0)
            return counts[k].count;
    return &f->undecided;
}

/* A number; or "NaN", "inf" or "-inf" as text, because JSON has no such numbers. */
static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_string(isnan(x) ? "NaN" : x > 0 ? "inf" : "-inf");
}

static void set_evidence(json_t *line, const Evidence *v)
{
    json_put(line, "way", json_string(v->way));
    json_put(line, "error", number(v->error));
    json_put(line, "noise", number(v->noise));
    json_put(line, "ratio", number(v->ratio));
    if (!v->has_element)
        return;
    json_put(line, "index", json_pack("[I, I]", (json_int_t)v->row, (json_int_t)v->column));
    json_put(line, "got", number(v->got));
    json_put(line, "right", number(v->right));
    json_put(line, "bound", number(v->bound));
}

json_t *finding_with(Findings *f, const char *where, const char *verdict, const Evidence *v, const char *format, ...)
{
    char text[768];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ++*count_of(f, verdict);
    json_t *line = json_pack("{s:s, s:s, s:s}", "where", where, "verdict", verdict, "what", text);
    if (v)
        set_evidence(line, v);
    json_add(f->lines, line);
    return line;
}

size_t findings_judged(const Findings *f) { return f->exact + f->within + f->outside; }

const char *findings_verdict(const Findings *f)
{
    return f->outside ? "OUTSIDE" : f->undecided || findings_judged(f) == 0 ? "UNKNOWN" : f->within || f->noisy ? "WITHIN" : "BITEXACT";
}

static const char *precisions(const Findings *f, Arena *a)
{
    const char *all = "";
    for (Precision p = 0; p < PRECISIONS; p++)
        if (f->judged_at[p])
            all = arena_format(a, "%s%s%s", all, *all ? ", " : "; at ", precision_name(p));
    return all;
}

const char *findings_headline(const Findings *f, Arena *a)
{
    const char *noisy = f->noisy ? arena_format(a, "; %zu noisy (the noise is over half of the value)", f->noisy) : "";
    const char *left = f->left_out ? arena_format(a, "; %zu left out (--partial)", f->left_out) : "";
    return arena_format(a, "%s: %zu bitexact, %zu within, %zu outside, %zu missing, extra or damaged%s%s%s%s", findings_verdict(f),
            f->exact, f->within, f->outside,
                        f->undecided, noisy, left, precisions(f, a), findings_judged(f) ? "" : "; nothing to judge");
}
