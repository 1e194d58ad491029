/* SPDX-License-Identifier: MIT */
/* Options: how a command reads its words (getopt_long), the same for all commands.
 *
 *     const char *out = NULL;
 *     const Option mine[] = { { "out", "DIR", "where results are written", .text = &out } };
 *     Options o;
 *     int status;
 *     if (!options_read(&o, argc, argv, mine, 1, 0, 1, &status))
 *         return status;
 *
 * --json, --quiet, --threads N and --help (-h) are known everywhere. */
#ifndef PULSE_REF_CLI_OPTIONS_H
#define PULSE_REF_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OPTION_REPEATS = 64 };

typedef struct { const char *item[OPTION_REPEATS]; size_t count; } OptionList;

/* One option of a command; exactly one target is set. */
typedef struct {
    const char *name, *value, *help;     // value: "DIR"; NULL for a switch
    const char **text;
    bool        *flag;
    int64_t     *number;                 // >= 0
    OptionList  *list;                   // may be repeated
} Option;

typedef struct {
    bool   json, quiet;
    int    threads;                      // 0: as the system has it; otherwise already set
    char **operand;                      // what is not an option, in order
    int    operands;
} Options;

/* Operands must number min … max. False: return *status (help was printed, or one sentence about the usage). */
bool options_read(Options *o, int argc, char **argv, const Option *own, size_t n_own, int min, int max, int *status);

/* Where the shipped world is, seen from here; NULL where it is not: the default of commands that are told of no world. */
const char *shipped_world(void);

#endif
