/* SPDX-License-Identifier: MIT */
#include "ref/evidence/evidence.h"

#include <inttypes.h>
#include <string.h>
#include "eval/scenario.h"
#include "ref/cli/table.h"
#include "ref/command.h"

bool seeds_print(const Registration *r, bool json, Error *e)
{
    json_t *seeds = json_object();
    char hex[17], name[32];
    for (int64_t k = 1; k <= r->bases; k++) {
        if (!registration_seed(r, k, hex, e)) {
            json_decref(seeds);
            return false;
        }
        snprintf(name, sizeof name, "%" PRId64, k);
        json_put(seeds, name, json_string(hex));
        if (!json)
            printf("%s %s\n", name, hex);
    }
    if (json)
        command_print(json_pack("{s:s, s:s, s:o}", "registration", r->path, "sha256", r->digest.hex, "seeds", seeds));
    else
        json_decref(seeds);
    return true;
}

/* --- runs --- */

/* The words as a list without blanks, so that a shell reads it as one word: "ga,ga_klr,npo". */
static const char *joined(const char *const *words, size_t n, Arena *a)
{
    const char *text = "";
    for (size_t k = 0; text && k < n; k++)
        text = arena_format(a, "%s%s%s", text, k ? "," : "", words[k]);
    return text;
}

static const char *seeds_joined(const Registration *r, Arena *a)
{
    const char *text = "";
    for (size_t k = 0; text && k < r->seeds; k++)
        text = arena_format(a, "%s%s%" PRIu64, text, k ? "," : "", r->seed[k]);
    return text;
}

/* The value of steps.SCENARIO with commas in place of blanks. */
static const char *one_word(const char *steps, Arena *a)
{
    char *text = arena_text(a, steps);
    for (char *p = text; p && *p; p++)
        *p = *p == ' ' ? ',' : *p;
    return text;
}

/* Adds the scenario of an arm to the scenarios and steps of a run, once. The run is the arm's run of this index. */
static bool scenario_add(const Arm *x, size_t run, const char **scenarios, const char **steps, Arena *a)
{
    const char *key = arena_format(a, " --set steps.%s=", x->scenario);
    if (!key || strstr(*steps, key))
        return key != NULL;
    *scenarios = arena_format(a, "%s%s%s", *scenarios, **scenarios ? "," : "", x->scenario);
    *steps = arena_format(a, "%s%s%s", *steps, key, one_word(x->steps[run], a));
    return *scenarios && *steps;
}

/* The further settings of an arm, and before them train.trainable. That key is left out where the scenario says what is
 * trained (ablation), and where its value is proj+llm, which `run` trains anyway. The @/ in a setting KEY=@/PATH stands
 * for the folder of the models. */
static const char *more_settings(const Arm *x, const char *models, Arena *a)
{
    const bool known = strcmp(x->trainable, "proj+llm") == 0 || scenario_find(x->scenario)->requests == REQUESTS_ABLATION;
    const char *text = known ? "" : arena_format(a, " --set train.trainable=%s", x->trainable);
    for (size_t k = 0; text && k < x->sets; k++) {
        const char *value = strchr(x->set[k], '=') + 1;
        const bool at = strncmp(value, "@/", 2) == 0;
        text = arena_format(a, "%s --set %.*s%s%s", text, (int)(value - x->set[k]), x->set[k], at ? models : "", value + at);
    }
    return text;
}

/* The words of `pulse-ref run` for a run that several arms may share. NULL: no memory. */
static const char *run_words(const Registration *r, const char *run, const char *models, Arena *a)
{
    const char *scenarios = "", *steps = "", *model = "", *more = "";
    for (size_t k = 0; k < r->arms; k++)
        for (size_t i = 0; i < r->arm[k].runs; i++)
            if (strcmp(r->arm[k].run[i], run) == 0) {
                model = r->arm[k].model;
                more = more_settings(&r->arm[k], models, a);
                if (!more || !scenario_add(&r->arm[k], i, &scenarios, &steps, a))
                    return NULL;
            }
    const char *methods = joined(r->method, r->methods, a), *seeds = seeds_joined(r, a);
    return arena_format(a, "--set protocol.base=%s/%s --set protocol.vanilla=%s/%s --set protocol.scenarios=%s --set protocol.methods=%s "
                           "--set protocol.ablation_methods=%s --set protocol.seeds=%s --set protocol.snapshot_every=%" PRId64 "%s%s",
                        models, model, models, model, scenarios, methods, methods, seeds, r->snapshot_every, steps, more);
}

bool runs_print(const Registration *r, const char *models, bool json, Arena *a, Error *e)
{
    json_t *all = json_object();
    for (size_t k = 0; k < r->arms; k++)
        for (size_t i = 0; i < r->arm[k].runs; i++) {
            const char *name = r->arm[k].run[i], *words = json_object_get(all, name) ? NULL : run_words(r, name, models, a);
            if (!words)
                continue;
            json_put(all, name, json_string(words));
            if (!json)
                printf("%s %s\n", name, words);
        }
    if (json)
        command_print(all);
    else
        json_decref(all);
    return !e->failed;
}

/* --- verdicts --- */

static json_t *evidence_json(const Evidence *x, const Finding *f)
{
    const bool known = x->reached >= 2;                  // an interval needs the differences of at least two bases
    json_t *o = json_pack("{s:s, s:I, s:I}", "verdict", evidence_name(x->kind), "finished", (json_int_t)x->finished, "reached",
                          (json_int_t)x->reached);
    if (known)                                           // x->interval is of the measure minus the threshold
        json_join(o, json_pack("{s:f, s:[f, f], s:f}", "mean", x->interval.mean + f->threshold, "interval",
                               x->interval.mean - x->interval.half + f->threshold, x->interval.mean + x->interval.half + f->threshold,
                               "p", x->p));
    return o;
}

static void verdicts_json(const Verdicts *v, const Registration *r, Arena *a)
{
    json_t *list = json_array();
    for (size_t k = 0; k < v->count; k++) {
        const Verdict *x = &v->verdict[k];
        const Finding *f = x->finding;
        json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:f, s:f}", "finding", f->name, "says", f->says, "words",
                              verdict_words(x, r, a), "measure", measure_info[f->measure].formula, "paper", f->paper, "measured",
                              f->measured, "threshold", f->threshold, "delta", f->delta);
        json_t *methods = json_object();
        for (size_t m = 0; m < r->methods; m++)
            json_put(methods, r->method[m], evidence_json(&x->method[m], f));
        json_join(o, evidence_json(&x->all, f));
        json_put(o, "methods", methods);
        json_add(list, o);
    }
    command_print(json_pack("{s:s, s:I, s:I, s:o}", "registration", r->digest.hex, "bases", (json_int_t)r->bases, "finished",
                           (json_int_t)v->finished, "findings", list));
}

/* The numbers of each method, for instance "ga 0.1 (…), p = …; npo …"; "" where there are none. */
static const char *methods_text(const Verdict *x, const Registration *r, Arena *a)
{
    const char *text = "";
    for (size_t m = 0; text && m < r->methods; m++) {
        const char *numbers = verdict_numbers(&x->method[m], x->finding, a);
        if (*numbers)
            text = arena_format(a, "%s%s%s %s", text, *text ? "; " : "", r->method[m], numbers);
    }
    return text ? text : "";
}

static void verdict_text(const Verdict *x, const Registration *r, Arena *a)
{
    const Finding *f = x->finding;
    const char *numbers = verdict_numbers(&x->all, f, a), *methods = methods_text(x, r, a);
    const char *found = *numbers ? arena_format(a, " Mean and 95 %% interval: %s; by method, with p by Holm: %s.", numbers, methods) : "";
    const char *text = found ? arena_format(a, "%s%s Finding: %s. Measured on: %s. Paper: %s.", verdict_words(x, r, a), found, f->says,
                                            f->measured, f->paper) : NULL;
    printf("%-12s", f->name);
    print_wrapped(text ? text : "", 12);
}

static void verdict_markdown(const Verdict *x, const Registration *r, Arena *a)
{
    const Finding *f = x->finding;
    const char *numbers = verdict_numbers(&x->all, f, a);
    printf("| %s | %s | %s | %s | %s | %s |\n", f->name, f->says, verdict_words(x, r, a), *numbers ? numbers : "–", f->paper,
           f->measured);
}

bool verdicts_print(const Verdicts *v, const Registration *r, TellForm form, Arena *a, Error *e)
{
    if (form == TELL_JSON) {
        verdicts_json(v, r, a);
        return !e->failed;
    }
    if (form == TELL_MARKDOWN)
        puts("| | the finding | verdict | mean, 95 % interval, p, bases | the paper | measured on |\n|---|---|---|---|---|---|");
    for (size_t k = 0; k < v->count; k++)
        (form == TELL_MARKDOWN ? verdict_markdown : verdict_text)(&v->verdict[k], r, a);
    return !e->failed;
}
