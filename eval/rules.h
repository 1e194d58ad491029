/* SPDX-License-Identifier: MIT */
/* Rules: how long a request is worked on, as names; protocol.c gives each case its steps by them. */
#ifndef PULSE_EVAL_RULES_H
#define PULSE_EVAL_RULES_H

typedef enum {
#define RULE(name, help) RULE_##name,
#include "eval/rules.def"
#undef RULE
    RULES
} Rule;

typedef struct { const char *name, *help; } RuleInfo;
extern const RuleInfo rules[RULES];

#endif
