/* SPDX-License-Identifier: MIT */
/* Command: one word of the program. All of them stand in commands.def, from which the table, the help
 * and the declarations are made; each is `int command_<name>(int argc, char **argv)` in ref/<name>.c,
 * with argv[0] the command's own name, and returns an exit code. */
#ifndef PULSE_REF_COMMAND_H
#define PULSE_REF_COMMAND_H

#include "tensor/base/json.h"

/* The only exit codes. UNKNOWN: could not tell (bad usage, bad or missing file, environment refused). */
enum { EXIT_SAME = 0, EXIT_DIFFERENT = 1, EXIT_UNKNOWN = 2 };

typedef struct {
    const char *name;
    const char *usage;       // what follows the name
    const char *help;        // one line
    bool exact;              // computes, so the environment and the product engine are checked first
    int (*run)(int argc, char **argv);
} Command;

enum { ANYWHERE = 0, EXACT = 1 };

#define COMMAND(name, check, usage, help) int command_##name(int argc, char **argv);
#include "ref/commands.def"
#undef COMMAND

const Command *command_find(const char *name);            // NULL: unknown

/* "pulse-ref: sentence" on stderr; returns EXIT_UNKNOWN. */
int command_fail(const Error *e);
int command_fail_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What --json prints: the object, on stdout, which is taken. */
void command_tell(json_t *o);

#endif
