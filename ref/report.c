/* SPDX-License-Identifier: MIT */
/* pulse-ref report writes the results of a run as one page. */
#include "ref/report/report.h"

#include "ref/cli/options.h"
#include "ref/command.h"

int command_report(int argc, char **argv)
{
    const char *world = shipped_world();
    const Option mine[] = { { "world", "DIR", "The folder of the world, for the texts and pictures of the questions; the default is "
                                              "fixtures/world.", .text = &world } };
    Options o;
    int status;
    Error e = { 0 };
    if (!options_read(&o, argc, argv, mine, 1, 1, 1, &status))
        return status;
    if (!report_write(o.operand[0], world, &e))
        return command_fail(&e);
    if (o.json)
        command_print(json_pack("{s:s}", "out", o.operand[0]));
    else if (!o.quiet)
        printf("%s/report.html\n", o.operand[0]);
    return EXIT_SAME;
}
