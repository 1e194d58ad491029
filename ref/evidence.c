/* SPDX-License-Identifier: MIT */
/* pulse-ref evidence decides the findings that were registered before any base model was run (docs/evidence.md). It
 * prints the seeds of the base models ("bases") or the runs that each of them needs, writes the tables of one base, or
 * prints the verdicts of all bases. */
#include "ref/evidence/evidence.h"

#include <string.h>
#include "eval/evidence/base.h"
#include "ref/cli/options.h"
#include "ref/command.h"

/* Writes the tables of a base into `out`, from its runs, which are in the folder `runs`. */
static bool contrasts(const Registration *r, const char *runs, const char *out, const Options *o, Arena *a, Error *e)
{
    int64_t base;
    Trajectory t;
    if (!base_number(r, out, &base, e))
        return false;
    json_t *links = json_object();
    if (!arms_read(&t, links, r, runs, a, e)) {
        json_decref(links);
        return false;
    }
    if (!base_write(out, r, base, &t, links, a, e))
        return false;
    if (o->json)
        command_print(json_pack("{s:I, s:I, s:s}", "base", (json_int_t)base, "snapshots", (json_int_t)t.count, "out", out));
    else if (!o->quiet)
        printf("base %lld, %zu snapshots: %s/trajectory.csv, %s/contrasts.csv\n", (long long)base, t.count, out, out);
    return true;
}

static bool verdicts(const Registration *r, const char *folder, bool markdown, bool json, Arena *a, Error *e)
{
    Verdicts v;
    return verdicts_read(&v, r, folder, a, e) && verdicts_print(&v, r, json ? TELL_JSON : markdown ? TELL_MARKDOWN : TELL_TEXT, a, e);
}

int command_evidence(int argc, char **argv)
{
    const char *prereg = "fixtures/configs/prereg.ini", *out = NULL;
    bool markdown = false;
    const Option own[] = {
        { "prereg", "FILE", "The registration; the default is fixtures/configs/prereg.ini.", .text = &prereg },
        { "out", "DIR", "The tables of a base are written into this folder. Its name must end with the number of the base: base-3.",
          .text = &out },
        { "markdown", NULL, "The verdicts are printed as a table in Markdown.", .flag = &markdown },
    };
    Options o;
    int status;
    if (!options_read(&o, argc, argv, own, sizeof own / sizeof *own, 1, 2, &status))
        return status;
    const char *what = o.operand[0], *where = o.operands > 1 ? o.operand[1] : NULL;
    const bool needs_out = strcmp(what, "contrasts") == 0;
    if (strcmp(what, "seeds") != 0 && strcmp(what, "runs") != 0 && !needs_out && strcmp(what, "verdicts") != 0)
        return command_fail_text("evidence: there is no \"%s\", expected seeds, runs, contrasts or verdicts", what);
    if ((strcmp(what, "seeds") == 0) != !where)
        return command_fail_text("evidence %s: %s", what, where ? "a folder was given, expected none"
                                                                       : "no folder was given, expected one");
    if (needs_out != (out != NULL))
        return command_fail_text("evidence %s: --out was %s, expected it for contrasts and for nothing else", what,
                                 out ? "given" : "not given");
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    Registration *r = arena_alloc(&a, sizeof *r);
    const bool good = r && registration_read(r, prereg, &a, &e)
        && (strcmp(what, "seeds") == 0 ? seeds_print(r, o.json, &e) : strcmp(what, "runs") == 0 ? runs_print(r, where, o.json, &a, &e)
            : needs_out ? contrasts(r, where, out, &o, &a, &e) : verdicts(r, where, markdown, o.json, &a, &e));
    arena_free(&a);
    return good ? EXIT_SAME : command_fail(&e);
}
