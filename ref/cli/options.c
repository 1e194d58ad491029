/* SPDX-License-Identifier: MIT */
#include "ref/cli/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ref/command.h"
#include "ref/cli/table.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"
#include "tensor/base/team.h"

enum { OWN_MAX = 24, COMMON = 4, THREADS_MAX = 1024 };      // COMMON: --json, --quiet, --threads and --help

/* The usage of the command, with the options that all commands have, except --help. */
static const char *usage_of(const Command *c, char out[1024])
{
    snprintf(out, 1024, "%s%s[--json] [--quiet] [--threads N]", c ? c->usage : "", c && *c->usage ? " " : "");
    return out;
}

static int print_help(const char *name, const Option *all, size_t n)
{
    const Command *c = command_find(name);
    char usage[1024];
    printf("usage: pulse-ref %s ", name);
    print_wrapped(usage_of(c, usage), 17 + (int)strlen(name) + 1);
    putchar('\n');
    print_wrapped(c ? c->help : "", 0);
    putchar('\n');
    for (size_t k = 0; k < n; k++) {
        char word[64];
        snprintf(word, sizeof word, "--%s%s%s", all[k].name, all[k].value ? " " : "", all[k].value ? all[k].value : "");
        printf("  %-24s ", word);
        print_wrapped(all[k].help, 27);
    }
    printf("  %-24s %s\n", "-h, --help", "This text is printed.");
    return EXIT_SAME;
}

static bool is_path(const Option *o) { return o->value && (strcmp(o->value, "DIR") == 0 || strcmp(o->value, "FILE") == 0); }

/* Stores the value of one option. False: the value is refused, and a sentence says why. */
static bool take(const Option *o, const char *command, const char *value)
{
    // an empty path would be joined to "/adapter_config.json", a file of the root folder
    if (is_path(o) && !*value)
        return command_fail_text("%s: --%s is empty, expected a %s", command, o->name, *o->value == 'D' ? "folder" : "file"), false;
    if (o->flag)
        *o->flag = true;
    else if (o->text)
        *o->text = value;
    else if (o->list && o->list->count < OPTION_REPEATS)
        o->list->item[o->list->count++] = value;
    else if (o->list)
        return command_fail_text("%s: --%s is given too often, expected at most %d times", command, o->name,
                                 OPTION_REPEATS), false;
    else if (!decimal_to_int(value, o->number) || *o->number < 0)
        return command_fail_text("%s: --%s %s is not a number, expected one from 0 on", command, o->name, value), false;
    return true;
}

static bool use_threads(Options *o, const char *command, int64_t threads)
{
    if (threads < 0)
        return true;
    if (threads == 0 || threads > THREADS_MAX)
        return command_fail_text("%s: --threads %lld is out of range, expected 1 to %d", command, (long long)threads,
                                 THREADS_MAX), false;
    o->threads = (int)threads;
    team_set_size((size_t)o->threads);
    return true;
}

/* Puts all n options into one list, the common ones last, and into `words` for getopt, where --help has the number n.
 * Returns n. */
static size_t gather(Option *all, struct option *words, const Option *own, size_t n_own, Options *o, int64_t *threads)
{
    const Option common[] = {
        { "json", NULL, "The results are printed as JSON.", .flag = &o->json },
        { "quiet", NULL, "Nothing is printed but results and errors.", .flag = &o->quiet },
        { "threads", "N", "The number of threads, on which no answer depends.", .number = threads },
    };
    const size_t n_common = sizeof common / sizeof *common, n = n_own + n_common;
    if (n_own)
        memcpy(all, own, n_own * sizeof *own);
    memcpy(all + n_own, common, sizeof common);
    for (size_t k = 0; k < n; k++)
        words[k] = (struct option){ all[k].name, all[k].value ? required_argument : no_argument, NULL, (int)k };
    words[n] = (struct option){ "help", no_argument, NULL, (int)n };
    words[n + 1] = (struct option){ 0 };
    return n;
}

/* Whether the word begins with a dash and yet is a text, not an option, such as the question "-1 + 2 ?". This is so if
 * a digit follows the dash, or if the word holds white space. It is not so for "--NAME=…", nor for "--NAME …" where the
 * name of an option begins with NAME. */
static bool is_text(const char *word, const struct option *words)
{
    const size_t dashes = strspn(word, "-"), n = strcspn(word + dashes, " \t\n=");
    if (dashes == 0 || strcmp(word, "--") == 0 || (!strpbrk(word, " \t\n") && !(word[1] >= '0' && word[1] <= '9')))
        return false;
    if (dashes == 2 && word[dashes + n] == '=')
        return false;
    for (; dashes == 2 && n > 0 && words->name; words++)
        if (strncmp(words->name, word + dashes, n) == 0)
            return false;
    return true;
}

/* Prints why getopt_long refused a word. `why` is ':' if its value is missing. Otherwise it is '?': there is no such
 * option, the word begins the names of several, or it gives a value to a switch. */
static bool refuse(const char *command, const char *word, int why, int max)
{
    const char *what = why == ':' ? "needs a value" : "is not an option",
               *text = why != ':' && max > 0 ? "; a text that begins with - must follow --" : "";
    return command_fail_text("%s: %s %s%s; see pulse-ref %s --help", command, word, what, text, command), false;
}

/* Takes the next word. If it is an option, *found is its number in `words`, or 'h', or ':' or '?' where getopt_long
 * refuses it. If it is an operand, *found is -1, and the word is moved to the other operands, which stand from argv[1]
 * on. If it is `--`, all words after it are operands, and are taken at once. False: no word is left. */
static bool next_word(Options *o, int argc, char **argv, const struct option *words, int *found)
{
    const int at = optind > 0 ? optind : 1;
    *found = -1;
    if (at >= argc)
        return false;
    if (is_text(argv[at], words)) {
        o->dashed = o->operand[o->operands++] = argv[at];
        optind = at + 1;
        return true;
    }
    *found = getopt_long(argc, argv, "+:h", words, NULL);
    if (*found != -1)
        return true;
    const bool rest = optind > at;                          // after --, which was passed, all words are operands
    while (optind < argc) {
        o->operand[o->operands++] = argv[optind++];
        if (!rest)
            break;
    }
    return true;
}

static bool check_operands(const Options *o, const char *command, int min, int max)
{
    const Command *c = command_find(command);
    char usage[1024];
    if (o->operands >= min && o->operands <= max)
        return true;
    return command_fail_text("%s: %d argument%s given, expected: pulse-ref %s %s", command, o->operands,
                             o->operands == 1 ? " was" : "s were", command, usage_of(c, usage)),
           false;
}

bool options_read(Options *o, int argc, char **argv, const Option *own, size_t n_own, int min, int max, int *status)
{
    Option all[OWN_MAX + COMMON];
    struct option words[OWN_MAX + COMMON + 1];
    int64_t threads = -1;
    *o = (Options){ .operand = argv + 1 };
    *status = EXIT_UNKNOWN;
    if (n_own > OWN_MAX)
        return command_fail_text("%s: more than %d options", argv[0], OWN_MAX), false;
    const size_t n = gather(all, words, own, n_own, o, &threads);
    optind = 0;
    opterr = 0;
    for (int k, at = 1; next_word(o, argc, argv, words, &k); at = optind) {
        if (k == -1)
            continue;
        if (k == ':' || k == '?')
            return refuse(argv[0], argv[at], k, max);
        if (k == 'h' || (size_t)k == n)
            return *status = print_help(argv[0], all, n), false;
        if (!take(&all[k], argv[0], optarg))
            return false;
    }
    if (!use_threads(o, argv[0], threads) || !check_operands(o, argv[0], min, max))
        return false;
    if (o->dashed && !o->quiet)                             // it may have been meant as an option
        command_fail_text("%s: %s is taken as a text, since it is not an option; after -- nothing is an option", argv[0],
                          o->dashed);
    return true;
}

const char *shipped_world(void) { return file_exists("fixtures/world/world.json") ? "fixtures/world" : NULL; }
