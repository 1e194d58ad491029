/* SPDX-License-Identifier: MIT */
/* Fuzz targets: configs, --set, and numbers. Settings that were accepted are printed, read back, and printed again
 * (round_trip). */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "ref/config/settings.h"
#include "ref/config/setup.h"
#include "tensor/base/decimal.h"
#include "tests/support/scratch.h"

/* The printed settings are given again key by key, as with --set, and printed again. If the second text is as long as
 * the first, it must be the same. Not checked are texts with a carriage return or a quotation mark, and texts with a
 * line that cannot be given again. */
static void round_trip(Settings *s, Arena *a)
{
    Settings again;
    Error e = { 0 };
    char *text = settings_text(s, a), *copy = text ? arena_text(a, text) : NULL;
    settings_defaults(&again, a);
    for (char *line = copy, *end; line && *line; line = end + 1) {
        char *equals = strstr(line, " = ");
        end = equals ? strchr(equals, '\n') : NULL;
        if (!end || strchr(equals + 3, '"'))
            return;                 // a part of a text with a line break, or a text with a quotation mark
        *end = 0;
        *equals = 0;
        if (!settings_give(&again, line, equals + 3, &e))
            return;
    }
    const char *twice = settings_text(&again, a);
    if (text && twice && strlen(text) == strlen(twice) && strcmp(text, twice) != 0 && !strchr(text, '\r'))
        abort();
}

static bool parse_ini(const Input *in)
{
    Settings s;
    MethodSettings m;
    Error later = { 0 };
    settings_defaults(&s, in->arena);
    if (!settings_read(&s, fuzz_file(in, "in.ini"), in->error))
        return false;
    if (settings_method(&s, "rmu", &m, &later) == later.failed)
        abort();
    round_trip(&s, in->arena);
    return true;
}

static void seed_ini(const char *folder, Arena *a, Error *e)
{
    static const char text[] = "[data]\nworld = ../world   ; where\nbatch = 48\norder = shuffle\n\n[train]\nsteps = 30\nseed = 7\n"
                               "[method.rmu]\nunlearn.steering_coeff = 20\noptimiser.lr = 1e-4\n";
    fuzz_seed(folder, "run.ini", text, sizeof text - 1, a, e);
}

const Parser parser_ini = { "ini", parse_ini, seed_ini };

static bool parse_set(const Input *in)
{
    Settings s;
    MethodSettings m;
    Error later = { 0 };
    const char *text = fuzz_text(in);
    settings_defaults(&s, in->arena);
    if (!text)
        return false;
    if (!settings_set(&s, text, in->error))
        return false;
    if (settings_method(&s, "npo", &m, &later) == later.failed)
        abort();
    round_trip(&s, in->arena);
    return true;
}

static void seed_set(const char *folder, Arena *a, Error *e)
{
    static const char *const texts[] = { "optimiser.lr=1.5e-4", "method.npo.unlearn.beta=0.1", "data.order=shuffle",
                                         "train.steps=1000000", "unlearn.preset=tofu", "lora.targets=*.q_proj",
                                         "unlearn.retain_shrinks=yes" };
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
        fuzz_seed(folder, arena_format(a, "%zu", k), texts[k], strlen(texts[k]), a, e);
}

const Parser parser_set = { "set", parse_set, seed_set };

/* A finite double that was read must be read back from its written form with the same bits. The input is accepted if it
 * can be read as a float. */
static bool parse_decimal(const Input *in)
{
    char *text = fuzz_text(in), out[32];
    float f = 0;
    double d = 0, back = 0;
    if (!text)
        return false;
    bool read = decimal_to_double(text, &d);
    if (read && d - d == 0 && !(decimal_to_double(decimal_double(d, out), &back) && memcmp(&back, &d, sizeof d) == 0))
        abort();
    return decimal_to_float(text, &f) || error_set(in->error, "not a number");
}

static void seed_decimal(const char *folder, Arena *a, Error *e)
{
    static const char text[] = "-1.17549435e-38";
    fuzz_seed(folder, "number", text, sizeof text - 1, a, e);
}

const Parser parser_decimal = { "decimal", parse_decimal, seed_decimal };
