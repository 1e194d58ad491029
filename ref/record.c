/* SPDX-License-Identifier: MIT */
/* pulse-ref record writes the reference answers (the test vectors) anew. */
#include <stdio.h>
#include "ref/command.h"
#include "ref/cli/options.h"
#include "ref/cli/output.h"
#include "ref/vectors/suite.h"

int command_record(int argc, char **argv)
{
    Options o;
    int status;
    if (!options_read(&o, argc, argv, NULL, 0, 1, 1, &status))
        return status;
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    bool good = output_folder(o.operand[0], &e) && suite_write(o.operand[0], &a, &e);
    arena_free(&a);
    if (good && o.json)
        command_print(json_pack("{s:s}", "out", o.operand[0]));
    else if (good && !o.quiet)
        printf("reference answers in %s\n", o.operand[0]);
    return good ? EXIT_SAME : command_fail(&e);
}
