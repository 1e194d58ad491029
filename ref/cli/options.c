/* SPDX-License-Identifier: MIT */
#include "ref/cli/options.h"

#include <getopt.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ref/command.h"
#include "ref/cli/table.h"
#include "tensor/base/file.h"
#include "tensor/base/json.h"

enum { OWN_MAX = 24, COMMON = 4, THREADS_MAX = 1024 };

static int print_help(const char *name, const Option *all, size_t n)
{
    const Command *c = command_find(name);
    printf("usage: pulse-ref %s %s\n\n%s\n\n", name, c ? c->usage : "", c ? c->help : "");
    for (size_t k = 0; k < n; k++) {
        char word[64];
        snprintf(word, sizeof word, "--%s%s%s", all[k].name, all[k].value ? " " : "", all[k].value ? all[k].value : "");
        printf("  %-24s ", word);
        print_wrapped(all[k].help, 27);
    }
    printf("  %-24s %s\n", "-h, --help", "this text");
    return EXIT_SAME;
}

/* One option with its value; false after a sentence. */
static bool take(const Option *o, const char *command, const char *value)
{
    if (o->flag)
        *o->flag = true;
    else if (o->text)
        *o->text = value;
    else if (o->list && o->list->count < OPTION_REPEATS)
        o->list->item[o->list->count++] = value;
    else if (o->list)
        return command_fail_text("%s: --%s is given too often, expected at most %d times", command, o->name, OPTION_REPEATS), false;
    else if (!decimal_to_int(value, o->number) || *o->number < 0)
        return command_fail_text("%s: --%s %s is not a number, expected one from 0 on", command, o->name, value), false;
    return true;
}

static bool use_threads(Options *o, const char *command, int64_t threads)
{
    if (threads < 0)
        return true;
    if (threads == 0 || threads > THREADS_MAX)
        return command_fail_text("%s: --threads %lld is out of range, expected 1 to %d", command, (long long)threads, THREADS_MAX), false;
    o->threads = (int)threads;
    omp_set_num_threads(o->threads);
    return true;
}

/* All options in one list, the common ones last, and the same for getopt; help is numbered n. */
static size_t gather(Option *all, struct option *words, const Option *own, size_t n_own, Options *o, int64_t *threads)
{
    const Option common[] = {
        { "json", NULL, "what is printed, as JSON", .flag = &o->json },
        { "quiet", NULL, "no progress on stderr", .flag = &o->quiet },
        { "threads", "N", "how many threads; the answer does not depend on it", .number = threads },
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

bool options_read(Options *o, int argc, char **argv, const Option *own, size_t n_own, int min, int max, int *status)
{
    Option all[OWN_MAX + COMMON];
    struct option words[OWN_MAX + COMMON + 1];
    int64_t threads = -1;
    *o = (Options){ 0 };
    *status = EXIT_UNKNOWN;
    if (n_own > OWN_MAX)
        return command_fail_text("%s: more than %d options", argv[0], OWN_MAX), false;
    const size_t n = gather(all, words, own, n_own, o, &threads);
    optind = 0;
    opterr = 0;
    for (int k; (k = getopt_long(argc, argv, ":h", words, NULL)) != -1;) {
        if (k == 'h')
            k = (int)n;
        if (k == ':' || k == '?')
            return command_fail_text("%s: %s %s; see pulse-ref %s --help", argv[0], argv[optind - 1],
                                     k == ':' ? "needs a value" : "is not an option", argv[0]), false;
        if ((size_t)k == n)
            return *status = print_help(argv[0], all, n), false;
        if (!take(&all[k], argv[0], optarg))
            return false;
    }
    if (!use_threads(o, argv[0], threads))
        return false;
    o->operand = argv + optind;
    o->operands = argc - optind;
    if (o->operands < min || o->operands > max) {
        const Command *c = command_find(argv[0]);
        return command_fail_text("%s: %d argument%s given, expected: pulse-ref %s %s", argv[0], o->operands, o->operands == 1 ? " was" : "s were", argv[0],
                                 c ? c->usage : ""), false;
    }
    return true;
}

const char *shipped_world(void) { return file_exists("fixtures/world/persons.jsonl") ? "fixtures/world" : NULL; }
