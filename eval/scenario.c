/* SPDX-License-Identifier: MIT */
#include "eval/scenario.h"

#include <string.h>

/* The words of scenarios.def. */
enum { VANILLA = MODEL_VANILLA, BASE = MODEL_BASE, ONE = REQUESTS_ONE, ROUNDS = REQUESTS_ROUNDS, ABLATION = REQUESTS_ABLATION,
       STRESS = REQUESTS_STRESS, UNREPORTED = 0, REPORTED = 1 };

const Scenario scenarios[] = {
#define SCENARIO(name, group, many, start, who, requests, steps, help, title, label, caption, missing) \
    { #name, #group, many, (StartModel)start, who, (Requests)requests, steps, help, title, label, caption, missing },
#include "eval/scenarios.def"
#undef SCENARIO
};
const size_t scenarios_count = sizeof scenarios / sizeof *scenarios;

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

bool scenario_has_oracle(const Scenario *s)
{
    return s->start == MODEL_VANILLA;
}

bool scenario_splits_given(const Scenario *s)
{
    return s->who == WHO_ROUNDS || s->who == WHO_DRAWN_OF_ROUNDS;
}
