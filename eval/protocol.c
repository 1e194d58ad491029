/* SPDX-License-Identifier: MIT */
#include "eval/protocol.h"

#include <stdlib.h>
#include <string.h>
#include "eval/stages.h"
#include "eval/words.h"
#include "tensor/base/decimal.h"

enum { CASES_MAX = 4096, STAGES_OF_CASE = 8 };      // a case adds at most 7 stages, and all cases share at most 3 train stages

StartModel case_start(const Case *c) { return c->method->needs & NEEDS_BASE ? MODEL_BASE : c->scenario->start; }
const char *case_method_name(const Case *c) { return c->method->needs & NEEDS_BASE ? "retrain_from_base" : c->method->name; }

const MethodConfig *method_config(const Plan *p, const Method *m)
{
    size_t k = 0;
    while (methods[k] != m)
        k++;
    return &p->config.method[k];
}

static int64_t steps_of(double epochs, int64_t steps_of_epoch)
{
    int64_t steps = (int64_t)(epochs * (double)steps_of_epoch + 0.5);
    return steps > 0 ? steps : 1;
}

bool method_number(const char *key, const char *text, const char *method, double *out, Error *e)
{
    Words w = words_of(text);
    char word[80];
    bool found = false;
    while (word_next(&w, word, sizeof word)) {
        char *equals = strchr(word, '=');
        if (equals)
            *equals = 0;
        if (equals && !method_find(word))
            return error_set(e, "%s \"%s\": there is no method \"%s\", expected one of `pulse-ref list methods`", key, text,
                             word);
        if (equals && strcmp(word, method) != 0)
            continue;
        if (!equals && found)
            continue;
        if (!decimal_to_double(equals ? equals + 1 : word, out) || !(*out > 0) || *out > 100000)
            return error_set(e, "%s \"%s\": \"%s\" is not a number above 0 and up to 100000", key, text,
                             equals ? equals + 1 : word);
        found = true;
    }
    return found || error_set(e, "%s \"%s\": there is no number for %s, expected for instance \"3 ga_klr=15\"", key, text,
                              method);
}

/* How long a method works in a scenario, as the config says: the steps of all requests together or, where steps is 0,
 * the epochs of each request. */
typedef struct { double steps, epochs; } Budget;

static bool budget_of(const Plan *p, const Scenario *s, const char *method, Budget *out, Error *e)
{
    const char *steps = p->config.steps[s - scenarios], *epochs = p->config.epochs[s - scenarios];
    *out = (Budget){ 0, 0 };
    if (*steps && *epochs)
        return error_set(e, "epochs.%s is \"%s\" and steps.%s is \"%s\", expected one of them (an empty value unsets a key)",
                         s->name, epochs, s->name, steps);
    const char *key = arena_format(p->arena, "%s.%s", *epochs ? "epochs" : "steps", s->name);
    if (!key || *epochs)
        return key && method_number(key, epochs, method, &out->epochs, e);
    return method_number(key, *steps ? steps : s->steps, method, &out->steps, e)
        && (out->steps == (double)(int64_t)out->steps || error_set(e, "%s is \"%s\", expected whole numbers", key, steps));
}

/* The number of open training questions about all entities that the scenario forgets. */
static int64_t questions_at_once(const Plan *p, const Scenario *s)
{
    const size_t group = world_group_as(&p->world, s->group);
    int64_t n = 0;
    for (size_t k = 0; group < p->world.groups && k < p->entities.count; k++)
        if (strcmp(p->entities.entity[k].group, p->world.group[group].name) == 0 && p->entities.entity[k].round > 0)
            n += p->entities.entity[k].questions;
    return n;
}

/* Sets the steps or epochs of a case under the rules `updates` and `epochs`. They follow from the budget of the
 * scenario `finetuned`, which forgets all persons in one request. */
static bool budget_from_finetuned(const Plan *p, Case *c, Error *e)
{
    const Scenario *finetuned = scenario_find("finetuned");
    Budget b;
    if (!budget_of(p, finetuned, c->method->name, &b, e))
        return false;
    const bool same = c->scenario->who == finetuned->who && c->rounds == 1;
    const int64_t epoch = same ? 1 : epoch_steps(p, c, questions_at_once(p, finetuned));
    if (epoch < 1)
        return error_set(e, "%s: the stopping rule counts the epochs of the scenario \"finetuned\", expected open training questions "
                            "about entities of the group \"%s\" that have a round", c->name, finetuned->group);
    if (same)
        c->steps = (int64_t)b.steps, c->epochs = b.epochs;
    else if (c->stopping == STOP_updates)
        c->steps = b.steps > 0 ? (int64_t)b.steps : steps_of(b.epochs, epoch);
    else
        c->epochs = b.steps > 0 ? b.steps / (double)epoch : b.epochs;
    return true;
}

/* Sets the steps or epochs of a case, as its stopping rule says. */
static bool stopping_rule_apply(const Plan *p, Case *c, Error *e)
{
    Budget b;
    if (c->stopping == STOP_accuracy)
        return method_number("protocol.stop_within", p->config.stop_within, c->method->name, &c->epochs, e);
    if (c->stopping != STOP_budget)
        return budget_from_finetuned(p, c, e);
    if (!budget_of(p, c->scenario, c->method->name, &b, e))
        return false;
    c->epochs = b.epochs;
    c->steps = b.steps > 0 ? steps_of(b.steps / (double)c->rounds, 1) : 0;
    return true;
}

static bool asks_for_probe(const Plan *p, const char *name)
{
    char word[80];
    for (Words w = words_of(p->config.probed); word_next(&w, word, sizeof word);)
        if (strcmp(word, name) == 0)
            return true;
    return false;
}

/* Checks that each name begins with the name of a scenario, perhaps with a stopping rule or a number of requests after
 * it: "finetuned", "finetuned-accuracy", "stress-5". The run need not have such a case. */
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
            return error_set(e, "attack.scenarios: there is no scenario \"%s\", expected one of `pulse-ref list scenarios`, "
                                "perhaps with its rule", word);
    }
    return true;
}

/* Finds the group of the scenario in the world. It must have splits if the scenario reads them from entities.jsonl. */
static bool group_find(const Plan *p, Case *c, Error *e)
{
    const World *w = &p->world;
    const Scenario *s = c->scenario;
    c->group = world_group_as(w, s->group);
    if (c->group == w->groups)
        return error_set(e, "%s: there is no group \"%s\", which the scenario %s is about, and none has \"as\": \"%s\"", w->path, s->group,
                         s->name, s->group);
    return !scenario_splits_given(s) || w->group[c->group].has_splits
        || error_set(e, "%s: the group \"%s\" has no splits, expected \"splits\": [\"unlearn\", \"retain\"] for the scenario %s",
                     w->path, w->group[c->group].name, s->name);
}

bool case_routed(const Plan *p, const Case *c)
{
    return c->rounds > 1 && c->method->needs & ADAPTER_EACH && !method_config(p, c->method)->merge;
}

static bool case_add(Plan *p, Case c, Error *e)
{
    if (!group_find(p, &c, e))
        return false;
    if (c.stopping != STOP_budget)
        c.name = arena_format(p->arena, "%s-%s", c.name, stopping_rules[c.stopping].name);
    if (!c.name || !stopping_rule_apply(p, &c, e))
        return false;
    if (p->case_count == CASES_MAX)
        return error_set(e, "[protocol]: more than %d cases, expected fewer scenarios, methods or seeds", CASES_MAX);
    for (size_t k = 0; k < p->case_count; k++)
        if (strcmp(p->cases[k].name, c.name) == 0 && p->cases[k].method == c.method && p->cases[k].trainable == c.trainable
            && p->cases[k].seed == c.seed)
            return error_set(e, "[protocol]: %s of %s with seed %llu is asked for twice, expected each scenario, method, rule "
                                "and seed once", c.method->name,
                             c.name, (unsigned long long)c.seed);
    if (c.scenario->start == MODEL_BASE && c.method->needs & NEEDS_BASE)
        return error_set(e, "[protocol]: the method \"%s\" trains the base model, which already knows what the scenario \"%s\" "
                            "forgets, expected a scenario of the fine-tuned model",
                         c.method->name, c.name);
    if (case_routed(p, &c) && asks_for_probe(p, c.name))
        return error_set(e, "attack.scenarios has \"%s\", but with unlearn.merge = no %s has an adapter for each request and no one model "
                            "that could be attacked, expected unlearn.merge = yes, or attack.scenarios without it", c.name,
                         c.method->name);
    Case *to = &p->cases[p->case_count++];
    *to = c;
    to->before = stage_of_answers(p, c.scenario->start, NO_STAGE, c.group);
    if (p->config.without_oracle && method_config(p, c.method)->oracle)
        return error_set(e, "protocol.oracle is none, but the reference of %s is the oracle, expected an oracle", c.method->name);
    to->oracle = scenario_has_oracle(c.scenario) && !p->config.without_oracle
                   ? stage_of_answers(p, MODEL_ORACLE, NO_STAGE, c.group)
                   : NO_STAGE;
    to->unlearn = stage_of_unlearning(p, to);
    to->answer = stage_of_answers(p, case_start(&c), to->unlearn, c.group);
    to->probe = to->probe_before = to->probe_oracle = NO_STAGE;
    if (!e->failed && asks_for_probe(p, c.name)) {
        to->probe_before = stage_of_probe(p, to, c.scenario->start, NO_STAGE);
        to->probe_oracle = to->oracle != NO_STAGE ? stage_of_probe(p, to, MODEL_ORACLE, NO_STAGE) : NO_STAGE;
        to->probe = stage_of_probe(p, to, case_start(&c), to->unlearn);
    }
    return !e->failed;
}

/* Adds the cases of a scenario and a seed for one method: one case, one for each trainable, or one for each number of
 * requests. */
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

/* The list itself or, for "all", every method except those that train the oracle. */
static const char *methods_of(const char *list, Arena *a)
{
    const char *all = strcmp(list, "all") == 0 ? "" : NULL;
    for (size_t k = 0; all && k < methods_count; k++)
        if (!(methods[k]->needs & NEEDS_BASE))
            all = arena_format(a, "%s %s", all, methods[k]->name);
    return all ? all : list;
}

static bool cases_of_scenario(Plan *p, const Scenario *s, StoppingRule rule, uint64_t seed, Error *e)
{
    char word[80];
    const char *list = p->config.methods, *key = "methods";
    if (s->requests == REQUESTS_ABLATION)
        list = p->config.ablation_methods, key = "ablation_methods";
    else if (s->requests == REQUESTS_STRESS)
        list = p->config.stress_methods, key = "stress_methods";
    else if (s->who == WHO_DRAWN || s->who == WHO_DRAWN_OF_ROUNDS)
        list = p->config.control_methods, key = "control_methods";
    for (Words w = words_of(methods_of(list, p->arena)); word_next(&w, word, sizeof word);) {
        Case c = { .scenario = s, .method = method_find(word), .stopping = rule, .seed = seed };
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

static bool cases_of_stopping_rules(Plan *p, const Scenario *s, Error *e)
{
    char name[80], number[80];
    for (Words r = words_of(p->config.stopping); word_next(&r, name, sizeof name);) {
        const StoppingRule rule = stopping_rule_find(name);
        if (rule == STOPPING_RULES)
            return error_set(e, "protocol.rules: there is no rule \"%s\", expected one of `pulse-ref list rules`", name);
        for (Words w = words_of(p->config.seeds); word_next(&w, number, sizeof number);) {
            int64_t seed;
            if (!decimal_to_int(number, &seed) || seed < 0)
                return error_set(e, "protocol.seeds: \"%s\" is not a number from 0 on, expected for instance \"0, 1, 2\"",
                                 number);
            if (!cases_of_scenario(p, s, rule, (uint64_t)seed, e))
                return false;
        }
    }
    return true;
}

bool plan_make(Plan *p, const ProtocolConfig *c, const World *w, const Entities *all, Arena *a, Error *e)
{
    char name[80];
    *p = (Plan){ .config = *c, .world = *w, .entities = *all, .arena = a, .made = { NO_STAGE, NO_STAGE, NO_STAGE } };
    p->cases = arena_array(a, CASES_MAX, sizeof *p->cases);
    p->stage = arena_array(a, STAGES_OF_CASE * CASES_MAX, sizeof *p->stage);
    if (!p->cases || !p->stage || !probed_check(c->probed, e))
        return false;
    for (Words s = words_of(c->scenarios); word_next(&s, name, sizeof name);) {
        const Scenario *scenario = scenario_find(name);
        if (!scenario)
            return error_set(e, "protocol.scenarios: there is no scenario \"%s\", expected one of `pulse-ref list scenarios`",
                             name);
        if (!cases_of_stopping_rules(p, scenario, e))
            return false;
    }
    return p->case_count > 0 || error_set(e, "[protocol]: there is nothing to run, expected at least one scenario, method and "
                                             "seed");
}

int64_t epoch_steps(const Plan *p, const Case *c, int64_t questions)
{
    const int64_t batch = method_config(p, c->method)->batch;
    return (questions + batch - 1) / batch;
}

int64_t request_steps(const Plan *p, const Case *c, int64_t questions)
{
    return c->steps ? c->steps : steps_of(c->epochs, epoch_steps(p, c, questions));
}

bool stop_after(const Plan *p, const Case *c, int64_t questions, int64_t step)
{
    const double every = p->config.trajectory > 0 ? p->config.trajectory : 1;
    return c->stopping == STOP_accuracy && step > 0 && step % steps_of(every, epoch_steps(p, c, questions)) == 0;
}

bool snapshot_after(const Plan *p, const Case *c, int64_t questions, int64_t step)
{
    if (step == request_steps(p, c, questions))
        return true;
    if (c->rounds > 1 || p->config.snapshot_every)
        return c->rounds == 1 && step % p->config.snapshot_every == 0;
    return p->config.trajectory > 0 && step % steps_of(p->config.trajectory, epoch_steps(p, c, questions)) == 0;
}

const char *snapshot_name(int64_t round, int64_t step, char out[64])
{
    snprintf(out, 64, "round-%lld-step-%lld", (long long)round, (long long)step);
    return out;
}
