/* SPDX-License-Identifier: MIT */
/* The program: finds the command that is named, checks the environment, and returns the command's exit code. */
#include <fenv.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ref/command.h"
#include "ref/cli/environment.h"
#include "ref/cli/table.h"
#include "tensor/base/team.h"
#include "tensor/op.h"

#define COMMAND(name, check, usage, help) { #name, usage, help, check, command_##name },
static const Command commands[] = {
#include "ref/commands.def"
};
#undef COMMAND
enum { COMMANDS = sizeof commands / sizeof *commands };

const Command *command_find(const char *name)
{
    for (size_t k = 0; k < COMMANDS; k++)
        if (strcmp(commands[k].name, name) == 0)
            return &commands[k];
    return NULL;
}

int command_fail_text(const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    // names of files and keys may hold any byte, but a sentence must be one line
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    fprintf(stderr, "pulse-ref: %s\n", text);
    return EXIT_UNKNOWN;
}

static bool json_failed;                                     // command_print could not make the JSON

void command_print(json_t *o)
{
    if (!json_print(stdout, o, 2)) {
        command_fail_text("the JSON of the results could not be made, because memory ran out or a text is not UTF-8");
        json_failed = true;
    }
    putchar('\n');
    json_decref(o);
}

int command_fail(const Error *e)
{
    return command_fail_text("%s", *e->text ? e->text : "the command failed without a sentence, which is a fault of this program");
}

static int help(void)
{
    puts("pulse-ref: bit-exact reference of unlearning in LLaVA-style models, and of the PULSE protocol\n\n"
         "usage: pulse-ref COMMAND [options]\n");
    for (size_t k = 0; k < COMMANDS; k++) {
        printf("  %-9s ", commands[k].name);
        print_wrapped(commands[k].help, 12);
    }
    puts("\n  pulse-ref COMMAND --help    how a command is used\n"
         "  pulse-ref --version         version and specification\n\n"
         "Exit codes: 0 done, or same; 1 different; 2 could not tell.");
    return EXIT_SAME;
}

/* Flushes stdout, and returns the exit code of the process: `status`, or EXIT_UNKNOWN if the command's JSON could not
 * be made or its output could not be written. A command with the status EXIT_UNKNOWN has printed its own sentence, so
 * nothing is said about its output. */
static int finish(int status)
{
    bool lost = fflush(stdout) != 0 || ferror(stdout);
    if (json_failed)
        return EXIT_UNKNOWN;
    return lost && status != EXIT_UNKNOWN ? command_fail_text("standard output could not be written") : status;
}

static int run(const Command *c, int argc, char **argv)
{
    Error e = { 0 };
    if (!team_start(&e))
        return command_fail(&e);
    bool asks_help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    if (c->exact && !asks_help && !environment_check(&e))
        return command_fail(&e);
    int status = c->run(argc, argv);
    return finish(status);
}

static bool ending;                                     // the command is over, and main returns its exit code

/* Runs at exit. A library may call exit(1), which would read as EXIT_DIFFERENT; then the exit code becomes
 * EXIT_UNKNOWN. */
static void ended_by_others(void)
{
    if (!ending) {
        command_fail_text("the process was ended by a library, not by the command, expected a machine with enough threads and memory");
        _exit(EXIT_UNKNOWN);
    }
}

static int command(const char *word, int argc, char **argv)
{
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
        return finish(help());
    if (strcmp(word, "--version") == 0) {
        puts("pulse-ref " PULSE_VERSION " (spec " PULSE_SPEC ")");
        return finish(EXIT_SAME);
    }
    const Command *c = command_find(word);
    if (c)
        return run(c, argc - 1, argv + 1);
    if (!*word)
        return command_fail_text("no command was given, expected one of those of pulse-ref --help");
    if (*word == '-')
        return command_fail_text("%s comes before the command, expected pulse-ref COMMAND [options]", word);
    return command_fail_text("there is no command %s, expected one of those of pulse-ref --help", word);
}

int main(int argc, char **argv)
{
    fenv_t given;
    // SIGXFSZ would end the process; without it, a write beyond the file size limit fails and is reported
    signal(SIGXFSZ, SIG_IGN);
    environment_switches();
    // no signal for an inf or a NaN, even where a preloaded library enabled it
    feholdexcept(&given);
    atexit(ended_by_others);
    const int status = command(argc > 1 ? argv[1] : "", argc, argv);
    ending = true;
    return status;
}
