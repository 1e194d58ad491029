/* SPDX-License-Identifier: MIT */
/* pulse-ref doctor checks everything that could make this machine answer wrongly, or not at all. */

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include "ref/command.h"
#include "ref/cli/options.h"
#include "tensor/base/arena.h"
#include "tensor/base/float.h"
#include "tensor/base/team.h"
#include "tensor/product/product.h"
#include "tensor/product/engine.h"
#include "tensor/op.h"
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

enum { FACTS_MAX = 32 };

/* What was found, in the order in which it is printed. A problem could make answers wrong, so commands that compute
 * refuse to run. An advice is about something that costs time and changes no answer. */
typedef struct {
    struct { const char *name, *text; } fact[FACTS_MAX];
    size_t count;
    const char *problem[4], *advice[8];
    size_t problems, advices;
    Arena *arena;
} Findings;

static bool floats_right(Error *e)
{
    return float_env_check_threads(e) ||
           error_prefix(e, "floating point is set up wrongly; run without a preloaded library built with -ffast-math");
}

static bool engine_right(Error *e)
{
    return product_selftest(e) || error_prefix(e, "the built-in product kernel is wrong; build it with another compiler or for "
                                                  "another processor");
}

bool environment_check(Error *e)
{
    return floats_right(e) && engine_right(e);
}

static void add_fact(Findings *f, const char *name, const char *text)
{
    if (f->count < FACTS_MAX) {
        f->fact[f->count].name = name;
        f->fact[f->count++].text = text;
    }
}

static void add_check(Findings *f, const char *name, bool (*right)(Error *))
{
    Error e = { 0 };
    bool fine = right(&e);
    add_fact(f, name, fine ? "right" : "wrong");
    if (!fine)
        f->problem[f->problems++] = arena_text(f->arena, e.text);
}

static void add_build(Findings *f)
{
    add_fact(f, "version", PULSE_VERSION);
    add_fact(f, "spec", PULSE_SPEC);
#ifdef __clang__
    add_fact(f, "compiler", "clang " __clang_version__);
#else
    add_fact(f, "compiler", "gcc " __VERSION__);
#endif
    add_fact(f, "optimisation", PULSE_OPT);
    add_fact(f, "engine", engine_library()->word);
    add_fact(f, "engine_selected", product_engine());
    if (engine_refusal())
        f->advice[f->advices++] = arena_format(f->arena, "no BLAS library is used (%s); the built-in kernel then computes all products, "
                                                         "with the same bits", engine_refusal());
    add_fact(f, "jansson", jansson_version_str());
#ifdef __GLIBC__
    add_fact(f, "libc", arena_format(f->arena, "glibc %s", gnu_get_libc_version()));
#endif
}

static void count_one(const void *count, size_t begin, size_t end, size_t worker)
{
    (void)begin, (void)end, (void)worker;
    atomic_fetch_add(*(atomic_int *const *)count, 1);
}

/* Counts the threads that really start, because a limit of the system may leave fewer than were asked for. */
static int threads_started(void)
{
    atomic_int count = 0, *counter = &count;
    team_each(count_one, &counter, NULL);
    return count;
}

static void add_machine(Findings *f)
{
    struct utsname u;
    if (uname(&u) == 0)
        add_fact(f, "machine", arena_format(f->arena, "%s %s, %s", u.sysname, u.release, u.machine));
    const uint16_t one = 1;
    add_fact(f, "byte_order", *(const uint8_t *)&one ? "little" : "big");
    add_fact(f, "processors", arena_format(f->arena, "%zu", team_processors()));
    add_fact(f, "threads", arena_format(f->arena, "%d", threads_started()));
}

static void add_settings(Findings *f)
{
    static const char *const names[] = {
        "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE",
    };
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        if (getenv(names[k]))
            add_fact(f, names[k], getenv(names[k]));
    if (team_size() > team_processors())
        f->advice[f->advices++] = "there are more threads than processors: set OMP_NUM_THREADS lower; the answers are the same, "
                                  "only slower";
}

static void print_json(const Findings *f)
{
    json_t *all = json_object(), *problems = json_array(), *advice = json_array();
    for (size_t k = 0; k < f->count; k++)
        json_put(all, f->fact[k].name, json_string(f->fact[k].text));
    for (size_t k = 0; k < f->problems; k++)
        json_add(problems, json_string(f->problem[k]));
    for (size_t k = 0; k < f->advices; k++)
        json_add(advice, json_string(f->advice[k]));
    json_put(all, "problems", problems);
    json_put(all, "advice", advice);
    command_print(all);
}

static void print_text(const Findings *f)
{
    for (size_t k = 0; k < f->count; k++)
        printf("%-22s %s\n", f->fact[k].name, f->fact[k].text);
    for (size_t k = 0; k < f->problems; k++)
        printf("\nwrong: %s\n", f->problem[k]);
    for (size_t k = 0; k < f->advices; k++)
        printf("\nhint: %s\n", f->advice[k]);
    puts(f->problems ? "\nCommands that compute refuse to run here." : "\nAll is right.");
}

int command_doctor(int argc, char **argv)
{
    Options o;
    int status;
    if (!options_read(&o, argc, argv, NULL, 0, 0, 0, &status))
        return status;
    Error e = { 0 };
    Arena a = arena_make(&e);
    Findings f = { .arena = &a };
    add_build(&f);
    add_machine(&f);
    add_check(&f, "floating_point", floats_right);
    add_check(&f, "engine_self_test", engine_right);
    add_settings(&f);
    if (o.json)
        print_json(&f);
    else
        print_text(&f);
    status = f.problems ? command_fail_text("doctor: commands that compute refuse to run here: %s", f.problem[0]) : EXIT_SAME;
    arena_free(&a);
    return e.failed ? command_fail(&e) : status;
}
