/* SPDX-License-Identifier: MIT */
/* pulse-ref audit computes a sample of the units of a published run again (ref/run/audit.h: what a unit is). */
#include <stdio.h>
#include "ref/command.h"
#include "ref/cli/options.h"
#include "ref/run/audit.h"
#include "tensor/base/file.h"

#define CERTIFIES "An audit certifies the computation: the config, the models and the world give exactly these files. It does not " \
                  "certify that a model has lost any knowledge."
#define SEED "The probabilities hold only if the seed was drawn after the manifest's chain had been published."

/* The table says how probably the sample finds a changed unit if so many units of the run were changed: one, or 5 % or
 * 20 % of all, rounded up. It has one line for each of these assumptions. */
enum { LINES = 3 };
static const struct { const char *share; size_t percent; } lines[LINES] = {
    { "one unit", 0 }, { "5 %", 5 }, { "20 %", 20 },
};

static size_t assumed_changed(const Audit *x, int line)
{
    const size_t units = (x->units * lines[line].percent + 99) / 100;
    return units > 1 ? units : 1;
}

static void print_text(const Audit *x)
{
    if (x->tables)
        printf("different  the tables made of the stages: %s\n", x->tables);
    else
        printf("same       the tables made of the stages\n");
    printf("\nchanged units    of %-6zu found by a sample of %zu with probability\n", x->units, x->sampled);
    for (int k = 0; k < LINES; k++)
        printf("%-16s %-9zu %.4f\n", lines[k].share, assumed_changed(x, k),
               audit_probability(x->units, assumed_changed(x, k), x->sampled));
    printf("\nchain %s\n%zu of %zu units were computed again, and %zu of them %s different.\n%s\n%s\n", x->chain, x->sampled, x->units,
           x->different, x->different == 1 ? "is" : "are", SEED, CERTIFIES);
}

static void print_json(const Audit *x, uint64_t seed)
{
    json_t *units = json_array(), *table = json_array();
    for (size_t k = 0; k < x->sampled; k++) {
        const AuditUnit *u = &x->unit[x->sample[k]];
        Arena *a = &x->run->arena;
        const char *from = u->from.step ? point_name(u->from, a) : NULL, *to = u->to.step ? point_name(u->to, a) : NULL;
        json_add(units, json_pack("{s:I, s:s, s:s, s:s?, s:s?, s:b, s:s?}", "unit", (json_int_t)x->sample[k], "name",
                                  u->name, "digest", x->run->plan.stage[u->stage].digest.hex, "from", from, "to", to,
                                  "same", !u->different, "different", u->different));
    }
    for (int k = 0; k < LINES; k++)
        json_add(table, json_pack("{s:s, s:I, s:f}", "share", lines[k].share, "changed", (json_int_t)assumed_changed(x, k),
                                  "probability", audit_probability(x->units, assumed_changed(x, k), x->sampled)));
    command_print(json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:b, s:s?, s:o, s:o, s:s, s:s}", "audited", x->run->out, "chain", x->chain,
                           "seed", (json_int_t)seed, "units", (json_int_t)x->units, "sample", (json_int_t)x->sampled,
                           "different_units", (json_int_t)x->different, "same", !x->different && !x->tables, "different_tables", x->tables,
                           "replayed", units, "table", table, "seed_note", SEED, "certifies", CERTIFIES));
}

static bool audit(Audit *x, uint64_t seed, const Options *o, Error *e)
{
    FolderHold hold = -1;
    bool good = folder_hold(&hold, x->out, e) && audit_begin(x, seed, e);
    if (good) {
        good = audit_tables(x, e);
        for (size_t k = 0; good && k < x->sampled; k++) {
            good = audit_replay(x, k, e);
            const AuditUnit *u = &x->unit[x->sample[k]];
            if (good && !o->json && !o->quiet)
                printf("%-9s  %s%s%s\n", u->different ? "different" : "same", u->name, u->different ? ": " : "",
                       u->different ? u->different : "");
        }
        audit_end(x);
    }
    folder_leave(hold);
    return good;
}

int command_audit(int argc, char **argv)
{
    OptionList set = { .count = 0 };
    int64_t sample = -1, seed = -1;
    Run r = { .quiet = true };
    Audit x = { .run = &r, .out = "out/audit" };
    const Option own[] = {
        { "sample", "N", "The number of units that are computed again. A unit is a stage of the run or, where a stage kept checkpoints, "
                         "the steps from one of them to the next.", .number = &sample },
        { "seed", "S", "The seed of the sample, which must be drawn after the manifest of the run was published.", .number = &seed },
        { "out", "DIR", "The units are computed again in this folder; the default is out/audit. Afterwards it holds only what differs.",
          .text = &x.out },
        { "set", "SECTION.KEY=VALUE", "A setting that the run was given by its own --set. The option may be repeated.", .list = &set },
    };
    Options o;
    int status;
    if (!options_read(&o, argc, argv, own, sizeof own / sizeof *own, 1, 2, &status))
        return status;
    if (sample < 0 || seed < 0)
        return command_fail_text("audit: --%s is missing, expected audit RUN [CONFIG.ini] --sample N --seed S",
                                 sample < 0 ? "sample" : "seed");
    Error e = { 0 };
    r.arena = arena_make(&e);
    r.out = o.operand[0];
    x.sampled = (size_t)sample;
    const char *config = o.operands > 1 ? o.operand[1] : "fixtures/configs/pulse.ini";
    const char *manifest = arena_format(&r.arena, "%s/manifest.json", r.out);
    bool good = manifest && (file_exists(manifest)
                             || error_set(&e, "%s: is not there, expected the manifest of a finished run", manifest))
        && settings_open(&r.settings, config, &set, &r.arena, &e) && run_plan(&r, &e) && audit(&x, (uint64_t)seed, &o, &e);
    if (good && o.json)
        print_json(&x, (uint64_t)seed);
    else if (good && !o.quiet)
        print_text(&x);
    run_close(&r);
    return !good ? command_fail(&e) : x.different || x.tables ? EXIT_DIFFERENT : EXIT_SAME;
}
