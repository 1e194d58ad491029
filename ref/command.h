/* SPDX-License-Identifier: MIT */
/* Command: a subcommand of pulse-ref. commands.def lists all of them; the table, the help and the declarations are made
 * from it. The function of a command is `int command_<name>(int argc, char **argv)` in ref/<name>.c (of meta: in
 * ref/probing/). Its argv[0] is the command's own name, and it returns an exit code. */
#ifndef PULSE_REF_COMMAND_H
#define PULSE_REF_COMMAND_H

#include "tensor/base/json.h"

/* The only exit codes.
 *     SAME        the command has done its work; a command that compares has found no difference
 *     DIFFERENT   a command that compares (audit, compare, run --audit, verify) has found a difference
 *     UNKNOWN     the command could not do its work (wrong usage, a missing or damaged file, an unfit environment), or
 *                 `data` has found errors in a file */
enum { EXIT_SAME = 0, EXIT_DIFFERENT = 1, EXIT_UNKNOWN = 2 };

typedef struct {
    const char *name;
    const char *usage;       // the arguments, as the help shows them
    const char *help;        // one sentence or two
    bool exact;              // the command computes, so main calls environment_check first
    int (*run)(int argc, char **argv);
} Command;

enum { ANYWHERE = 0, EXACT = 1 };      // the values of `exact` in commands.def

#define COMMAND(name, check, usage, help) int command_##name(int argc, char **argv);
#include "ref/commands.def"
#undef COMMAND

const Command *command_find(const char *name);            // NULL: there is no such command

/* Checks, in doctor.c, what every error bound assumes: each thread rounds to nearest and has gradual underflow, and the
 * product engine computes right results. False: the sentence in `e` says what to do. */
bool environment_check(Error *e);

/* Prints "pulse-ref: SENTENCE" to stderr and returns EXIT_UNKNOWN. */
int command_fail(const Error *e);
int command_fail_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Prints to stdout the object that --json asks for, and releases it. If the object lacks a part, because memory ran out
 * or a text is not UTF-8, the program will end with EXIT_UNKNOWN. */
void command_print(json_t *o);

#endif
