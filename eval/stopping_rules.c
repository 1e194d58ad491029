/* SPDX-License-Identifier: MIT */
#include "eval/stopping_rules.h"

#include <string.h>

const StoppingRuleInfo stopping_rules[STOPPING_RULES] = {
#define STOPPING_RULE(name, help) { #name, help },
#include "eval/stopping_rules.def"
#undef STOPPING_RULE
};

StoppingRule stopping_rule_find(const char *name)
{
    StoppingRule rule = 0;
    while (rule < STOPPING_RULES && strcmp(stopping_rules[rule].name, name) != 0)
        rule++;
    return rule;
}

StoppingRule stopping_rule_in(const char *case_name, const char *scenario)
{
    const char *rest = strncmp(case_name, scenario, strlen(scenario)) == 0 ? case_name + strlen(scenario) : "?";
    return *rest == 0 ? STOP_budget : *rest == '-' ? stopping_rule_find(rest + 1) : STOPPING_RULES;
}
