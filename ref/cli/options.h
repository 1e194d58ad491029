/* SPDX-License-Identifier: MIT */
/* Options: how every command reads its arguments. Options and operands may come in any order; an option may be
 * shortened while it stays unique, and its value may follow after = or as the next word; after `--` all words are
 * operands. A word that begins with a dash is an operand, too, if it cannot be an option: a number, or a text with a
 * blank such as "-1 + 2 ?".
 *
 *     const char *out = NULL;
 *     const Option mine[] = { { "out", "DIR", "The results are written into this folder.", .text = &out } };
 *     Options o;
 *     int status;
 *     if (!options_read(&o, argc, argv, mine, 1, 0, 1, &status))
 *         return status;
 *
 * Every command knows --json, --quiet, --threads N and --help (-h). Not thread-safe, because getopt_long is not. */
#ifndef PULSE_REF_CLI_OPTIONS_H
#define PULSE_REF_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OPTION_REPEATS = 64 };

/* The help of --adapter, where it may be repeated. */
#define OPTION_ADAPTER "The model is used with the adapter in this folder, in the PEFT layout. The option may be repeated: all adapters " \
                       "are used at once, their changes added in this order."

/* The help of --unmerged in `ask` and `eval`. Merged and unmerged answers differ in their last bits. */
#define OPTION_UNMERGED "The adapter stays beside the weights, W x + s B (A x), instead of being merged into them, (W + s B A) x."

/* The help of --set in every command that reads a config, except `audit`. */
#define OPTION_SET "The key gets this value, whatever the config says. The option may be repeated."

/* The help of --memory in `ask`, `eval` and `run`. */
#define OPTION_MEMORY "The most MiB of keys, values and hidden states that are cached between questions; the " \
                      "default is 768. The option is short for --set model.memory=MIB."

typedef struct { const char *item[OPTION_REPEATS]; size_t count; } OptionList;

/* One option of a command. Exactly one of text, flag, number and list is set: where its value goes. */
typedef struct {
    // value: the word that --help shows for it, "DIR"; NULL: the option is a switch
    const char *name, *value, *help;
    const char **text;
    bool        *flag;
    int64_t     *number;                 // from 0 on
    OptionList  *list;                   // the option may be given up to OPTION_REPEATS times
} Option;

typedef struct {
    bool   json, quiet;
    int    threads;                      // 0: --threads was not given; otherwise team_set_size was called with it
    char **operand;                      // the words that are not options, in their order; they belong to argv
    int    operands;
    // the last operand that begins with a dash, without a `--` before it; NULL: none
    const char *dashed;
} Options;

/* Reads argv, whose first word is the command's name, and reorders it. There must be min to max operands. False: help
 * or one sentence about the usage was printed, and the command returns *status. */
bool options_read(Options *o, int argc, char **argv, const Option *own, size_t n_own, int min, int max, int *status);

/* The folder of the shipped world, which is the default of --world. NULL: the current folder does not contain it. */
const char *shipped_world(void);

#endif
