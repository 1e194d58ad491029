/* SPDX-License-Identifier: MIT */
/* pulse-ref trace writes every number of one optimiser step, and how each was made. */
#include <stdio.h>
#include <string.h>
#include "ref/command.h"
#include "ref/cli/options.h"
#include "ref/cli/output.h"
#include "ref/cli/picture_tags.h"
#include "ref/trace/step.h"
#include "ref/trace/trace_file.h"

/* Whether a line of the settings ("section.key = value") is written. A hyperparameter that is newer than the recorded
 * traces is written only where it differs from its default. */
static bool stated(const char *line, const Hyperparameters *hyper)
{
    char name[64] = "";
    const char *key = sscanf(line, "unlearn.%63[^ ]", name) == 1 ? hyperparameter_key(name) : NULL;
    return !key || hyperparameter_stated(hyper, key);
}

/* The object of trace.json without its nodes. A failure is left in `e`. */
static json_t *head(const Step *s, Arena *a, Error *e)
{
    json_t *samples = json_array(), *lines = json_array();
    for (size_t k = 0; k < s->used_count; k++)
        json_add(samples, json_pack("{s:s, s:s, s:s}", "id", s->used[k].sample->id, "role",
                                                 role_name(s->used[k].role), "answer", s->used[k].answer));
    for (char *text = settings_part(&s->m.settings, IN_STEP, a, e), *line = text ? strtok_r(text, "\n", &text) : NULL; line;
         line = strtok_r(NULL, "\n", &text))
        if (stated(line, &s->m.v))
            json_add(lines, json_string(line));
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "spec", PULSE_SPEC, "method", s->m.method->name, "formula",
                     method_formula(s->m.method, a), "reference", s->reference ? "given" : "the model before the step",
                     "settings", lines, "samples", samples);
}

static void step_print(const Step *s)
{
    size_t count[ROLE_COUNT] = { 0 };
    char loss[32];
    for (size_t k = 0; k < s->used_count; k++)
        count[s->used[k].role]++;
    printf("%s:", s->m.method->name);
    for (Role r = 0; r < ROLE_COUNT; r++)
        if (count[r])
            printf(" %zu %s,", count[r], role_name(r));
    printf(" %zu nodes, loss %s\n", s->trainer.tape.count, decimal_float(s->trainer.stats.loss, loss));
}

int command_trace(int argc, char **argv)
{
    const char *config = NULL, *method = NULL, *out = NULL;
    OptionList set = { .count = 0 };
    Step s = { .folder = NULL };
    const Option own[] = {
        { "model", "DIR", "The folder of the model before the step.", .text = &s.folder },
        { "batch", "FILE",
          "The samples of the step, one JSON object a line. The key \"group\" of a line may be forget, retain, refusal or "
          "alternate. Without the key, the second half of the file is retained if the method reads a retain set.",
          .text = &s.batch },
        { "method", "NAME", "The unlearning method, one of `pulse-ref list methods` that makes optimiser steps.",
          .text = &method },
        { "out", "DIR", "The files trace.safetensors, trace.json and bound.safetensors are written into this folder.",
          .text = &out },
        { "config", "FILE",
          "The config sets the optimiser, the adapters and the hyperparameters. Without a config, each key has its default "
          "(`pulse-ref list config`).",
          .text = &config },
        { "reference", "DIR", "The folder of the reference model; the default is the model before the step.",
          .text = &s.reference },
        { "set", "SECTION.KEY=VALUE", OPTION_SET, .list = &set },
    };
    Options o;
    int status;
    if (!options_read(&o, argc, argv, own, sizeof own / sizeof *own, 0, 0, &status))
        return status;
    if (!s.folder || !s.batch || !method || !out)
        return command_fail_text("trace: --model, --batch, --method and --out are needed (pulse-ref trace --help)");
    Error e = { .failed = false };
    Arena a = arena_make(&e);
    bool made = output_folder(out, &e) && settings_open(&s.settings, config, &set, &a, &e)
        && step_make(&s, method, &a, &e);
    if (made)
        picture_tags_print("trace", (const Dataset *[]){ &s.samples }, 1, s.session.reader.upright);
    bool good = made && trace_write(&s.trainer, out, head(&s, &a, &e), &a, &e);
    if (made && o.json)                                     // even where the files could not be written
        command_print(json_pack("{s:s, s:I, s:o, s:s}", "method", s.m.method->name, "nodes", (json_int_t)s.trainer.tape.count,
                               "loss", json_decimal(s.trainer.stats.loss), "out", out));
    else if (made && !o.quiet)
        step_print(&s);
    step_close(&s);
    arena_free(&a);
    return good ? EXIT_SAME : command_fail(&e);
}
