/* SPDX-License-Identifier: MIT */
/* pulse-ref compare compares two safetensors files or folders, tensor by tensor. The first argument is the reference.
 * Tensors of two different dtypes among F32, F16 and BF16 are compared as the fp32 numbers that they hold, so equal
 * values are equal. */
#include "ref/cli/options.h"
#include "ref/command.h"
#include "ref/compare/telling.h"

int command_compare(int argc, char **argv)
{
    Options o;
    int status;
    if (!options_read(&o, argc, argv, NULL, 0, 2, 2, &status))
        return status;
    Error e = { 0 };
    Arena a = arena_make(&e);
    Side x = { 0 }, y = { 0 };
    size_t counts[VERDICTS] = { 0 }, total = 0;
    Row *rows = side_open(&x, o.operand[0], &a, &e) && side_open(&y, o.operand[1], &a, &e)
                  ? compare_sides(&x, &y, counts, &total, &a)
                  : NULL;
    if (rows)
        (o.json ? rows_print_json : rows_print_text)(rows, total, counts);
    status = !rows ? command_fail(&e) : counts[EQUAL] == total ? EXIT_SAME : EXIT_DIFFERENT;
    side_close(&x);
    side_close(&y);
    arena_free(&a);
    return status;
}
