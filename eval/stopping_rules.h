/* SPDX-License-Identifier: MIT */
/* Stopping rules: each says how long a request is worked on. protocol.c turns the rule of a case into a number of steps
 * or of epochs; under the rule accuracy, this number is only the most.
 *
 * The name of a case ends with its rule, unless the rule is budget: "sequential-accuracy" (stopping_rule_in). */
#ifndef PULSE_EVAL_STOPPING_RULES_H
#define PULSE_EVAL_STOPPING_RULES_H

typedef enum {
#define STOPPING_RULE(name, help) STOP_##name,
#include "eval/stopping_rules.def"
#undef STOPPING_RULE
    STOPPING_RULES
} StoppingRule;

typedef struct { const char *name, *help; } StoppingRuleInfo;
extern const StoppingRuleInfo stopping_rules[STOPPING_RULES];

/* The rule of that name; STOPPING_RULES where there is none. */
StoppingRule stopping_rule_find(const char *name);
/* The rule in the name of a case: the word after the scenario's name and a dash, or budget where nothing follows the
 * scenario's name. STOPPING_RULES: the case has another scenario, or the word is no rule ("stress-5"). */
StoppingRule stopping_rule_in(const char *case_name, const char *scenario);

#endif
