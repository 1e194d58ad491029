/* SPDX-License-Identifier: MIT */
/* pulse-ref verify: recorded answers, ours or another implementation's. */
#include "ref/verify/verify.h"

#include <stdio.h>
#include <string.h>
#include "ref/command.h"
#include "ref/cli/options.h"
#include "tensor/op.h"

static json_t *open_manifest(const char *folder, Arena *a, Error *e)
{
    const char *spec, *path = arena_format(a, "%s/manifest.json", folder);
    json_t *m = json_file(path, VERIFY_MANIFEST_BYTES, e);
    if (!m || !json_get_text(m, "spec", &spec, path, e) || !json_is_array(json_object_get(m, "files"))) {
        error_set(e, "%s: \"files\" is missing, expected the manifest of a suite", path);
        json_decref(m);
        return NULL;
    }
    if (strcmp(spec, PULSE_SPEC) != 0) {
        error_set(e, "%s: recorded under spec %s, expected %s, which this program computes", path, spec, PULSE_SPEC);
        json_decref(m);
        return NULL;
    }
    return m;
}

static int tell(Findings *f)
{
    const char *verdict = f->unknown ? "UNKNOWN" : f->outside ? "OUTSIDE" : f->within ? "WITHIN" : "BITEXACT";
    if (f->json) {
        json_t *all = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:O}", "verdict", verdict, "bitexact", (json_int_t)f->exact, "within", (json_int_t)f->within, "outside",
                                (json_int_t)f->outside, "end_to_end", (json_int_t)f->unbounded, "unknown", (json_int_t)f->unknown, "findings", f->lines);
        json_print(stdout, all, 2);
        printf("\n");
        json_decref(all);
    } else
        printf("%s: %zu bitexact, %zu within, %zu outside, %zu end to end, %zu missing, extra or damaged\n", verdict, f->exact, f->within, f->outside, f->unbounded, f->unknown);
    return f->unknown ? EXIT_UNKNOWN : f->outside ? EXIT_DIFFERENT : EXIT_SAME;
}

int command_verify(int argc, char **argv)
{
    OptionList only = { .count = 0 };
    const Option own[] = {
        { "only", "PREFIX", "of another implementation's answers, only the cases whose path begins so, for instance step/npo.adamw.b; may be repeated", .list = &only },
    };
    Options o;
    int status;
    if (!options_read(&o, argc, argv, own, 1, 1, 2, &status))
        return status;
    if (only.count && o.operands == 1)
        return command_fail_text("verify: --only is of another implementation's answers, expected them after %s", o.operand[0]);
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    Findings f = { .lines = json_array(), .json = o.json, .quiet = o.quiet };
    json_t *manifest = open_manifest(o.operand[0], &a, &e);
    bool good = manifest && (o.operands == 1 ? verify_own(&f, o.operand[0], manifest, &a, &e) : verify_got(&f, o.operand[0], o.operand[1], &only, manifest, &a, &e));
    status = good ? tell(&f) : command_fail(&e);
    json_decref(manifest);
    json_decref(f.lines);
    arena_free(&a);
    return status;
}
