/* SPDX-License-Identifier: MIT */
/* pulse-ref verify: the reference answers, ours or those of another implementation. */
#include "ref/verify/verify.h"

#include "ref/command.h"

int command_verify(int argc, char **argv)
{
    OptionList only = { .count = 0 };
    const Option own[] = {
        { "only", "PREFIX", "Only the cases whose path begins with PREFIX are judged, for instance step/npo.adamw.b. The option "
                            "needs GOT, and may be repeated.", .list = &only },
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
    json_t *manifest = manifest_open(o.operand[0], &a, &e);
    bool good = manifest
             && (o.operands == 1 ? verify_own(&f, o.operand[0], manifest, &a, &e)
                                 : verify_got(&f, o.operand[0], o.operand[1], &only, manifest, &a, &e));
    status = good ? findings_tell(&f) : command_fail(&e);
    json_decref(manifest);
    json_decref(f.lines);
    arena_free(&a);
    return status;
}
