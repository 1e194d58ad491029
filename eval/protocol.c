/* SPDX-License-Identifier: MIT */
#include "eval/protocol.h"

#include <stdlib.h>
#include <string.h>
#include "eval/words.h"
#include "tensor/base/decimal.h"

enum { VANILLA = MODEL_VANILLA, BASE = MODEL_BASE, ONE = REQUESTS_ONE, ROUNDS = REQUESTS_ROUNDS, ABLATION = REQUESTS_ABLATION,
       STRESS = REQUESTS_STRESS, CASES_MAX = 4096 };

const Scenario scenarios[] = {
#define SCENARIO(name, group, start, who, requests, epochs, help) { #name, #group, (StartModel)start, who, (Requests)requests, epochs, help },
#include "eval/scenarios.def"
#undef SCENARIO
};
const size_t scenarios_count = sizeof scenarios / sizeof *scenarios;

const RuleInfo rules[RULES] = {
#define RULE(name, help) { #name, help },
#include "eval/rules.def"
#undef RULE
};

static const struct { const char *group, *file; } groups[GROUPS] = {
    { "person", "persons.jsonl" }, { "country", "countries.jsonl" }, { "known_person", "known_persons.jsonl" },
};
const char *group_file(size_t group) { return groups[group].file; }

const char *start_model_name(StartModel m)
{
    static const char *const names[] = { "base", "vanilla", "oracle" };
    return names[m];
}

const Scenario *scenario_find(const char *name)
{
    for (size_t k = 0; k < scenarios_count; k++)
        if (strcmp(scenarios[k].name, name) == 0)
            return &scenarios[k];
    return NULL;
}

size_t group_of(const Scenario *s)
{
    size_t k = 0;
    while (strcmp(groups[k].group, s->group) != 0)
        k++;
    return k;
}

const MethodConfig *method_config(const Plan *p, const Method *m)
{
    size_t k = 0;
    while (methods[k] != m)
        k++;
    return &p->config.method[k];
}

/* --- stages --- */

/* A stage of this recipe: the one that is there already, or a new one. */
static size_t stage_add(Plan *p, Stage s)
{
    Hash h = hash_begin();
    hash_text(&h, "pulse-ref " PULSE_VERSION " stage, spec " PULSE_SPEC);
    hash_text(&h, p->config.code);
    hash_text(&h, s.recipe);
    for (size_t k = 0; k < s.inputs; k++)
        hash_text(&h, p->stage[s.input[k]].digest.hex);
    s.digest = hash_end(&h);
    for (size_t k = 0; k < p->stage_count; k++)
        if (strcmp(p->stage[k].digest.hex, s.digest.hex) == 0)
            return k;
    p->stage[p->stage_count] = s;
    return p->stage_count++;
}

/* The train stage that makes a model; NO_STAGE when it is given. */
static size_t model_stage(Plan *p, StartModel m)
{
    if (p->made[m] == NO_STAGE && !*p->config.model[m].hex)
        p->made[m] = stage_add(p, (Stage){ .kind = STAGE_TRAIN, .name = start_model_name(m), .recipe = p->config.train[m], .model = m, .cost = 120 });
    return p->made[m];
}

/* "vanilla <digest>" of a given model; of one that is made, its stage stands among the inputs. */
static const char *model_text(Plan *p, StartModel m, Stage *s)
{
    size_t made = model_stage(p, m);
    if (made != NO_STAGE)
        s->input[s->inputs++] = made;
    return arena_format(p->arena, "%s %s", start_model_name(m), made == NO_STAGE ? p->config.model[m].hex : "made");
}

static size_t answer_stage(Plan *p, StartModel m, size_t of, size_t group, double cost)
{
    Stage s = { .kind = STAGE_ANSWER, .model = m, .of = of, .group = group, .cost = cost };
    const ProtocolConfig *c = &p->config;
    const char *model = model_text(p, m, &s);
    if (of != NO_STAGE)
        s.input[s.inputs++] = of;
    s.name = of == NO_STAGE ? arena_format(p->arena, "answers/%s/%s", start_model_name(m), groups[group].group)
                            : arena_format(p->arena, "answers/%s", p->stage[of].name);
    s.recipe = arena_format(p->arena, "answer\nmodel %s\nquestions %s %s\ngeneral %s\nframes %lld\n%s", model, groups[group].file,
                            c->group[group].hex, c->general.hex, (long long)c->frames, c->reading);
    return s.name && s.recipe ? stage_add(p, s) : NO_STAGE;
}

/* What a model is asked at its end: one that was given or trained, or what the unlearn stage `of` made of it. */
static size_t probe_stage(Plan *p, const Case *one, StartModel m, size_t of)
{
    Stage s = { .kind = STAGE_PROBE, .model = m, .of = of, .group = group_of(one->scenario), .one = one, .cost = 8 };
    const ProtocolConfig *c = &p->config;
    const char *model = model_text(p, m, &s), *oracle = one->oracle != NO_STAGE && m != MODEL_ORACLE ? model_text(p, MODEL_ORACLE, &s) : "";
    if (of != NO_STAGE)
        s.input[s.inputs++] = of;
    if (one->scenario->who == WHO_BEST)
        s.input[s.inputs++] = one->before;
    s.name = of == NO_STAGE ? arena_format(p->arena, "probe/%s/%s/seed%llu", one->name, start_model_name(m), (unsigned long long)one->seed)
                            : arena_format(p->arena, "probe/%s", p->stage[of].name);
    s.recipe = arena_format(p->arena, "probe\nmodel %s %s\nseed %llu\nwho %d of %s (%s), entities %s\nbest %lld, forget %lld\ngeneral %s\nframes %lld\n%s%s", model,
                            oracle, (unsigned long long)one->seed, (int)one->scenario->who, groups[s.group].file, c->group[s.group].hex, c->entities.hex,
                            (long long)c->best, (long long)c->forget, c->general.hex, (long long)c->frames, c->reading, c->probing);
    return s.name && s.recipe ? stage_add(p, s) : NO_STAGE;
}

static size_t unlearn_stage(Plan *p, const Case *one)
{
    Stage s = { .kind = STAGE_UNLEARN, .model = one->scenario->start, .one = one, .of = NO_STAGE, .group = group_of(one->scenario) };
    const ProtocolConfig *c = &p->config;
    char epochs[32], trajectory[32], stop[32];
    const char *model = model_text(p, s.model, &s);
    if (one->scenario->who == WHO_BEST)
        s.input[s.inputs++] = one->before;
    const char *reference = method_config(p, one->method)->oracle ? model_text(p, MODEL_ORACLE, &s) : "";
    const char *base = one->method->needs & NEEDS_BASE ? model_text(p, MODEL_BASE, &s) : "";
    s.name = arena_format(p->arena, "%s/%s/%s/seed%llu", one->name, one->method->name, trainable_name(one->trainable), (unsigned long long)one->seed);
    s.recipe = arena_format(p->arena, "unlearn\nmodel %s %s %s\nmethod %s\ntrainable %s\nseed %llu\nwho %d of %s (%s), entities %s\nbest %lld, forget %lld\n"
                            "requests %lld\n%s %s\ntrajectory %s\n%s%s", model, reference, base, one->method->name, trainable_name(one->trainable),
                            (unsigned long long)one->seed, (int)one->scenario->who, groups[s.group].file, c->group[s.group].hex, c->entities.hex,
                            (long long)c->best, (long long)c->forget, (long long)one->rounds, one->steps ? "steps" : "epochs",
                            decimal_double(one->steps ? (double)one->steps : one->epochs, epochs), decimal_double(c->trajectory, trajectory),
                            one->rule == RULE_accuracy ? arena_format(p->arena, "stop %s\n%lld frames\n", decimal_double(c->stop, stop), (long long)c->frames)
                                                       : "", method_config(p, one->method)->recipe);
    s.cost = 0.05 * one->epochs * (one->scenario->who == WHO_ROUNDS ? 25 : 10) * (one->method->needs & NEEDS_RETAIN ? 2 : 1);
    return s.name && s.recipe ? stage_add(p, s) : NO_STAGE;
}

/* --- cases --- */

static int64_t steps_of(double epochs, int64_t epoch)
{
    int64_t steps = (int64_t)(epochs * (double)epoch + 0.5);
    return steps > 0 ? steps : 1;
}

/* "3 ga_klr=15": the number that stands for a method. */
static bool epochs_of(const char *text, const char *method, double *out, Error *e)
{
    Words w = words_of(text);
    char word[80];
    bool found = false;
    while (word_next(&w, word, sizeof word)) {
        char *equals = strchr(word, '=');
        if (equals)
            *equals = 0;
        if (equals && !method_find(word))
            return error_set(e, "epochs \"%s\": there is no method \"%s\", expected one of `pulse-ref list methods`", text, word);
        if (equals && strcmp(word, method) != 0)
            continue;
        if (!equals && found)
            continue;
        if (!decimal_to_double(equals ? equals + 1 : word, out) || !(*out > 0) || *out > 100000)
            return error_set(e, "epochs \"%s\": \"%s\" is not a number above 0 and up to 100000", text, equals ? equals + 1 : word);
        found = true;
    }
    return found || error_set(e, "epochs \"%s\": there is no number for %s, expected for instance \"3 ga_klr=15\"", text, method);
}

static const char *epochs_text(const Plan *p, const Scenario *s)
{
    const char *given = p->config.epochs[s - scenarios];
    return *given ? given : s->epochs;
}

/* The epochs or steps that the rule gives a case. */
static bool rule_apply(const Plan *p, Case *c, Error *e)
{
    const Scenario *measure = c->rule == RULE_budget ? c->scenario : scenario_find("finetuned");
    const char *epochs = c->rule == RULE_accuracy ? p->config.stop_within : epochs_text(p, measure);
    if (!epochs_of(epochs, c->method->name, &c->epochs, e))
        return error_prefix(e, "%s%s", c->rule == RULE_accuracy ? "protocol.stop_within" : "epochs.", c->rule == RULE_accuracy ? "" : measure->name);
    if (c->rule == RULE_updates && !(c->scenario->who == measure->who && c->rounds == 1)) {
        size_t all = 0;
        for (size_t k = 0; k < p->entities.count; k++)
            all += strcmp(p->entities.entity[k].group, measure->group) == 0 && p->entities.entity[k].round > 0;
        c->steps = steps_of(c->epochs, epoch_steps(p, c, all));
    }
    return true;
}

static bool is_probed(const Plan *p, const char *name)
{
    char word[80];
    for (Words w = words_of(p->config.probed); word_next(&w, word, sizeof word);)
        if (strcmp(word, name) == 0)
            return true;
    return false;
}

/* Names of scenarios, perhaps with a rule or a number of requests: "finetuned", "finetuned-accuracy", "stress-5". Which of them are run is another matter. */
static bool probed_check(const char *names, Error *e)
{
    char word[80];
    for (Words w = words_of(names); word_next(&w, word, sizeof word);) {
        bool known = false;
        for (size_t k = 0; k < scenarios_count; k++) {
            const size_t n = strlen(scenarios[k].name);
            known |= strncmp(word, scenarios[k].name, n) == 0 && (word[n] == 0 || word[n] == '-');
        }
        if (!known)
            return error_set(e, "attack.scenarios: there is no scenario \"%s\", expected one of `pulse-ref list scenarios`, perhaps with its rule", word);
    }
    return true;
}

static bool case_add(Plan *p, Case c, Error *e)
{
    size_t group = group_of(c.scenario);
    if (c.rule != RULE_budget)
        c.name = arena_format(p->arena, "%s-%s", c.name, rules[c.rule].name);
    if (!c.name || !rule_apply(p, &c, e))
        return false;
    if (p->case_count == CASES_MAX)
        return error_set(e, "[protocol]: more than %d cases, expected fewer scenarios, methods or seeds", CASES_MAX);
    for (size_t k = 0; k < p->case_count; k++)
        if (strcmp(p->cases[k].name, c.name) == 0 && p->cases[k].method == c.method && p->cases[k].trainable == c.trainable && p->cases[k].seed == c.seed)
            return error_set(e, "[protocol]: %s of %s with seed %llu is asked for twice, expected each scenario, method, rule and seed once", c.method->name,
                             c.name, (unsigned long long)c.seed);
    Case *to = &p->cases[p->case_count++];
    *to = c;
    to->before = answer_stage(p, c.scenario->start, NO_STAGE, group, 6);
    if (p->config.without_oracle && method_config(p, c.method)->oracle)
        return error_set(e, "protocol.oracle is none, but %s has it as its reference", c.method->name);
    to->oracle = c.scenario->start == MODEL_VANILLA && !p->config.without_oracle ? answer_stage(p, MODEL_ORACLE, NO_STAGE, group, 6) : NO_STAGE;
    to->unlearn = unlearn_stage(p, to);
    to->answer = answer_stage(p, c.scenario->start, to->unlearn, group, 6 + c.epochs);
    to->probe = to->probe_before = to->probe_oracle = NO_STAGE;
    if (!e->failed && is_probed(p, c.name)) {
        to->probe_before = probe_stage(p, to, c.scenario->start, NO_STAGE);
        to->probe_oracle = to->oracle != NO_STAGE ? probe_stage(p, to, MODEL_ORACLE, NO_STAGE) : NO_STAGE;
        to->probe = probe_stage(p, to, c.scenario->start, to->unlearn);
    }
    return !e->failed;
}

/* The cases of a scenario and a seed for one method: once, per trainable, or per number of requests. */
static bool cases_of_method(Plan *p, Case c, Error *e)
{
    char word[80];
    c.name = c.scenario->name;
    c.rounds = c.scenario->requests == REQUESTS_ROUNDS ? p->config.rounds : 1;
    if (c.scenario->requests == REQUESTS_ABLATION) {
        for (Trainable t = TRAIN_LLM; t <= TRAIN_PROJ_LLM; t++) {
            c.trainable = t;
            if (!case_add(p, c, e))
                return false;
        }
        return true;
    }
    if (c.scenario->requests != REQUESTS_STRESS)
        return case_add(p, c, e);
    for (Words w = words_of(p->config.stress); word_next(&w, word, sizeof word);) {
        if (!decimal_to_int(word, &c.rounds) || c.rounds < 1)
            return error_set(e, "protocol.stress: \"%s\" is not a number of requests, expected for instance \"1, 5, 25\"", word);
        c.name = arena_format(p->arena, "stress-%lld", (long long)c.rounds);
        if (!case_add(p, c, e))
            return false;
    }
    return true;
}

static bool cases_of_scenario(Plan *p, const Scenario *s, Rule rule, uint64_t seed, Error *e)
{
    char word[80];
    const char *list = p->config.methods, *key = "methods";
    if (s->requests == REQUESTS_ABLATION)
        list = p->config.ablation_methods, key = "ablation_methods";
    else if (s->requests == REQUESTS_STRESS)
        list = p->config.stress_methods, key = "stress_methods";
    else if (s->who == WHO_DRAWN || s->who == WHO_TWENTY)
        list = p->config.control_methods, key = "control_methods";
    for (Words w = words_of(list); word_next(&w, word, sizeof word);) {
        Case c = { .scenario = s, .method = method_find(word), .rule = rule, .seed = seed };
        if (!c.method)
            return error_set(e, "protocol.%s: there is no method \"%s\", expected one of `pulse-ref list methods`", key, word);
        const char *trainable = method_config(p, c.method)->trainable;
        if (!trainable_parse(trainable, &c.trainable))
            return error_set(e, "train.trainable is \"%s\", expected llm, proj+llm or full", trainable);
        if (!cases_of_method(p, c, e))
            return false;
    }
    return true;
}

static bool cases_of_rules(Plan *p, const Scenario *s, Error *e)
{
    char name[80], number[80];
    for (Words r = words_of(p->config.rules); word_next(&r, name, sizeof name);) {
        Rule rule = 0;
        while (rule < RULES && strcmp(rules[rule].name, name) != 0)
            rule++;
        if (rule == RULES)
            return error_set(e, "protocol.rules: there is no rule \"%s\", expected one of `pulse-ref list rules`", name);
        for (Words w = words_of(p->config.seeds); word_next(&w, number, sizeof number);) {
            int64_t seed;
            if (!decimal_to_int(number, &seed) || seed < 0)
                return error_set(e, "protocol.seeds: \"%s\" is not a number from 0 on, expected for instance \"0, 1, 2\"", number);
            if (!cases_of_scenario(p, s, rule, (uint64_t)seed, e))
                return false;
        }
    }
    return true;
}

bool plan_make(Plan *p, const ProtocolConfig *c, const Entities *all, Arena *a, Error *e)
{
    char name[80];
    *p = (Plan){ .config = *c, .entities = *all, .arena = a, .made = { NO_STAGE, NO_STAGE, NO_STAGE } };
    p->cases = arena_array(a, CASES_MAX, sizeof *p->cases);
    p->stage = arena_array(a, 8 * CASES_MAX, sizeof *p->stage);
    if (!p->cases || !p->stage || !probed_check(c->probed, e))
        return false;
    for (Words s = words_of(c->scenarios); word_next(&s, name, sizeof name);) {
        const Scenario *scenario = scenario_find(name);
        if (!scenario)
            return error_set(e, "protocol.scenarios: there is no scenario \"%s\", expected one of `pulse-ref list scenarios`", name);
        if (!cases_of_rules(p, scenario, e))
            return false;
    }
    return p->case_count > 0 || error_set(e, "[protocol]: there is nothing to run, expected at least one scenario, method and seed");
}

int64_t epoch_steps(const Plan *p, const Case *c, size_t entities)
{
    int64_t batch = method_config(p, c->method)->batch;
    return ((int64_t)entities * 10 + batch - 1) / batch;
}

int64_t request_steps(const Plan *p, const Case *c, size_t entities)
{
    return c->steps ? c->steps : steps_of(c->epochs, epoch_steps(p, c, entities));
}

bool stop_after(const Plan *p, const Case *c, size_t entities, int64_t step)
{
    const double every = p->config.trajectory > 0 ? p->config.trajectory : 1;
    return c->rule == RULE_accuracy && step > 0 && step % steps_of(every, epoch_steps(p, c, entities)) == 0;
}

bool snapshot_after(const Plan *p, const Case *c, size_t entities, int64_t step)
{
    if (step == request_steps(p, c, entities))
        return true;
    return c->rounds == 1 && p->config.trajectory > 0 && step % steps_of(p->config.trajectory, epoch_steps(p, c, entities)) == 0;
}

const char *snapshot_name(int64_t round, int64_t step, char out[64])
{
    snprintf(out, 64, "round-%lld-step-%lld", (long long)round, (long long)step);
    return out;
}
