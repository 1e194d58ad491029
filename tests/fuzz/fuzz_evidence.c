/* SPDX-License-Identifier: MIT */
/* Fuzz targets: a preregistration, and the files of a finished base model (eval/evidence/base.h). */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include "eval/evidence/base.h"
#include "tests/support/scratch.h"

static const char registered[] =
    "[registration]\nbases = 2\nseeds = 1\nmethods = ga\nlevels = 0.5\nwidest = 0.12\nsnapshot_every = 5\norder = F2\n"
    "[arm E]\nrun = e\nmodel = e\nscenario = placed\ntrainable = llm\nsteps = 10\nmatching = a\nreporting = b\n"
    "[arm L]\nrun = l, m\nmodel = l\nscenario = placed\ntrainable = llm\nsteps = 10, 20\nmatching = a, c\nreporting = b\n"
    "[finding F2]\nsays = x\nmeasure = general\narms = L, E\nthreshold = 0\ndelta = 0.05\npaper = p\nmeasured = m\n";
static const char points[] = "arm,method,seed,step,matching_image,matching_text,reporting_image,reporting_text,general,log_odds\n"
                             "E,ga,1,0,1.0,1.0,1.0,1.0,0.9,2.5\nE,ga,1,5,0.25,0.5,0.25,0.5,0.75,\n"
                             "L,ga,1,0,1.0,1.0,1.0,1.0,0.9,2.5\nL,ga,1,10,0.25,0.5,0.25,0.5,0.875,-1e-3\n";
static const char contrasts[] = "finding,method,seed,value,reached\nF2,ga,1,0.1,1\n";

static bool parse_prereg(const Input *in)
{
    Registration *r = arena_alloc(in->arena, sizeof *r);
    char hex[17];
    if (!r || !registration_read(r, fuzz_file(in, "in.ini"), in->arena, in->error))
        return false;
    return registration_seed(r, 1, hex, in->error);
}

static Registration *registration(const Input *in)
{
    Registration *r = arena_alloc(in->arena, sizeof *r);
    if (!r || !registration_read(r, fuzz_write("good.ini", registered, sizeof registered - 1), in->arena, in->error))
        abort();
    return r;
}

static bool parse_points(const Input *in)
{
    const Registration *r = registration(in);
    Trajectory t, again;
    Contrasts c;
    const char *path = scratch("again.csv");
    if (!trajectory_read(&t, r, fuzz_file(in, "in.csv"), in->arena, in->error) || !contrasts_of(&c, r, &t, in->arena, in->error))
        return false;
    if (trajectory_write(&t, r, path, in->error) && (!trajectory_read(&again, r, path, in->arena, in->error) || again.count != t.count))
        abort();
    return !in->error->failed;
}

static bool parse_contrasts(const Input *in)
{
    Contrasts c;
    return contrasts_read(&c, registration(in), fuzz_file(in, "in.csv"), in->arena, in->error);
}

/* Writes the folder of base 1, with the points above, and returns it. */
static const char *base_made(const Input *in, const Registration *r)
{
    Trajectory t;
    const char *folder = base_folder(arena_text(in->arena, scratch("bases")), 1, in->arena);
    if (!folder || !trajectory_read(&t, r, fuzz_write("points.csv", points, sizeof points - 1), in->arena, in->error)
        || !base_write(folder, r, 1, &t, json_object(), in->arena, in->error))
        abort();
    return folder;
}

static bool parse_base(const Input *in)
{
    const Registration *r = registration(in);
    const char *folder = base_made(in, r);
    Contrasts c;
    fuzz_file(in, "bases/base-1/manifest.json");
    return base_read(&c, folder, r, 1, in->arena, in->error);
}

static void seed_prereg(const char *folder, Arena *a, Error *e)
{
    fuzz_seed(folder, "prereg.ini", registered, sizeof registered - 1, a, e);
}

static void seed_points(const char *folder, Arena *a, Error *e)
{
    fuzz_seed(folder, "trajectory.csv", points, sizeof points - 1, a, e);
}

static void seed_contrasts(const char *folder, Arena *a, Error *e)
{
    fuzz_seed(folder, "contrasts.csv", contrasts, sizeof contrasts - 1, a, e);
}

static void seed_base(const char *folder, Arena *a, Error *e)
{
    const Input in = { .arena = a, .error = e };
    fuzz_seed_file(folder, arena_format(a, "%s/manifest.json", base_made(&in, registration(&in))), a, e);
}

const Parser parser_prereg = { "prereg", parse_prereg, seed_prereg };
const Parser parser_points = { "points", parse_points, seed_points };
const Parser parser_contrasts = { "contrasts", parse_contrasts, seed_contrasts };
const Parser parser_base = { "base", parse_base, seed_base };
